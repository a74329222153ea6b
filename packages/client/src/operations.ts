import { type EmbedError, EmbedError as Failure } from './errors.ts';
import { type RawError, toEmbedError } from './failures.ts';
import type { Limits } from './split.ts';
import type { Embedding, EmbedManyOptions } from './types.ts';
import { decodeBase64 } from './vectors.ts';

const declarations =
  '$texts: [String!]!, $model: String, $dimensions: Int, $useCache: Boolean, $truncate: Boolean';
const given =
  'texts: $texts, model: $model, dimensions: $dimensions, useCache: $useCache, truncate: $truncate';
const failureFields = 'failures { index code message retryable retryAfterMs }';

export const batchQuery = `mutation EmbedMany(${declarations}, $kind: TextKind) {
  batch: embedBatch(${given}, kind: $kind) {
    model embeddingsBase64 tokens costs cached truncated ${failureFields}
  }
}`;

export const streamQuery = `subscription EmbedStream(${declarations}) {
  stream: embedStream(${given}) {
    embeddings { index embedding { model embeddingBase64 tokens cost cached truncated } } ${failureFields}
  }
}`;

export const limitsQuery = 'query Limits { limits { maxTexts maxTokens maxBodyBytes } }';

/** The variables of both operations. What is not given is left out, so that the server's defaults hold. */
export function variablesOf(
  texts: readonly string[],
  { kind, model, dimensions, useCache, truncate }: EmbedManyOptions,
): object {
  const asked = kind === undefined ? undefined : kind === 'query' ? 'QUERY' : 'DOCUMENT';
  return { texts, kind: asked, model, dimensions, useCache, truncate };
}

interface RawFailure {
  index: number;
  code: string;
  message: string;
  retryable: boolean;
  retryAfterMs: number | null;
}

/** An embedding or an error for each of `count` texts. */
export function readBatch(data: Record<string, unknown>, count: number): Array<Embedding | EmbedError> {
  const batch = data['batch'] as {
    model: string;
    embeddingsBase64: Array<string | null>;
    tokens: number[];
    costs: number[];
    cached: boolean[];
    truncated: boolean[];
    failures: RawFailure[];
  };
  const results: Array<Embedding | EmbedError> = [];
  for (let i = 0; i < count; i++) {
    const base64 = batch.embeddingsBase64[i];
    results.push(
      typeof base64 === 'string'
        ? {
            vector: decodeBase64(base64),
            model: batch.model,
            tokens: batch.tokens[i] as number,
            costUsd: batch.costs[i] as number,
            cached: batch.cached[i] as boolean,
            truncated: batch.truncated[i] as boolean,
          }
        : new Failure('INTERNAL_SERVER_ERROR', 'The answer has no embedding for this text, and no reason.'),
    );
  }
  for (const failure of batch.failures) results[failure.index] = readFailure(failure);
  return results;
}

/** The results in one event of a stream, by their places among the texts that were sent. */
export function readChunk(data: Record<string, unknown>): Array<[number, Embedding | EmbedError]> {
  const { embeddings, failures } = data['stream'] as {
    embeddings: Array<{
      index: number;
      embedding: {
        model: string;
        embeddingBase64: string;
        tokens: number;
        cost: number;
        cached: boolean;
        truncated: boolean;
      };
    }>;
    failures: RawFailure[];
  };
  return [
    ...embeddings.map(({ index, embedding }): [number, Embedding] => {
      const { embeddingBase64, cost, ...rest } = embedding;
      return [index, { vector: decodeBase64(embeddingBase64), costUsd: cost, ...rest }];
    }),
    ...failures.map((failure): [number, EmbedError] => [failure.index, readFailure(failure)]),
  ];
}

/** What the server says that it takes; undefined where it says nothing that makes sense. */
export function readLimits(data: Record<string, unknown>): Limits | undefined {
  const limits = data['limits'] as Limits | undefined;
  const isWhole = limits && [limits.maxTexts, limits.maxTokens, limits.maxBodyBytes].every((n) => n > 0);
  return isWhole ? limits : undefined;
}

function readFailure({ message, code, retryable, retryAfterMs }: RawFailure): EmbedError {
  const raw: RawError = { message, extensions: { code, retryable, retryAfterMs } };
  return toEmbedError(raw);
}
