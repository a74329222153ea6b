import { EmbedQLError } from '../../core/errors.ts';
import type { ModelSpec } from '../../core/model.ts';
import type { AiSdkResult } from './model.ts';

/** What came back, of which the dimension and the numbers are still to be checked. */
export interface ReadResult {
  /** In the order of the texts that were sent. */
  readonly vectors: Float32Array[];
  /** Tokens charged for the whole call; undefined where the service does not say. */
  readonly tokens: number | undefined;
}

/**
 * Reads what an AI SDK model gives. The SDK takes vectors in the order of the answer; where the answer numbers them
 * otherwise, the numbers count.
 * @throws EmbedQLError PROVIDER_ERROR
 */
export function readResult(result: AiSdkResult, texts: number, spec: ModelSpec): ReadResult {
  const embeddings: unknown = result?.embeddings;
  if (!Array.isArray(embeddings) || embeddings.length !== texts) {
    const count = Array.isArray(embeddings) ? embeddings.length : 'no';
    throw wrong(spec, `sent ${count} vectors for ${texts} texts`);
  }
  const vectors = embeddings.map((embedding: unknown) => {
    if (!Array.isArray(embedding) && !(embedding instanceof Float32Array))
      throw wrong(spec, 'sent something other than a vector');
    return Float32Array.from(embedding as ArrayLike<number>);
  });
  const { body } = result.response ?? {};
  return { vectors: inOrder(vectors, body, spec), tokens: readTokens(result, body) };
}

function inOrder(vectors: Float32Array[], body: unknown, spec: ModelSpec): Float32Array[] {
  const data: unknown = (body as { data?: unknown } | undefined)?.data;
  if (!Array.isArray(data) || data.length !== vectors.length) return vectors;
  const indexes = data.map((item: { index?: unknown } | null) => item?.index);
  if (!indexes.every((index): index is number => Number.isSafeInteger(index))) return vectors;
  const ordered = new Array<Float32Array>(vectors.length);
  for (const [i, index] of indexes.entries()) {
    if (index < 0 || index >= vectors.length || ordered[index])
      throw wrong(spec, 'numbered its vectors wrongly');
    ordered[index] = vectors[i]!;
  }
  return ordered;
}

/** No number, and zero for texts that are not empty, is what is said by somebody who does not count. */
function readTokens({ usage }: AiSdkResult, body: unknown): number | undefined {
  // Google's API tells it, for some models; the SDK does not read it.
  const metadata = (body as { usageMetadata?: { promptTokenCount?: unknown } } | undefined)?.usageMetadata;
  for (const tokens of [usage?.tokens, metadata?.promptTokenCount])
    if (typeof tokens === 'number' && tokens > 0) return Math.min(Math.ceil(tokens), Number.MAX_SAFE_INTEGER);
  return undefined;
}

function wrong(spec: ModelSpec, what: string): EmbedQLError {
  return new EmbedQLError(
    'PROVIDER_ERROR',
    `The provider of ${spec.name} ${what}; its answer was discarded. Check its base URL.`,
  );
}
