import { z } from 'zod';
import { EmbedQLError } from '../../core/errors.ts';
import type { ModelSpec } from '../../core/model.ts';
import { isFiniteVector, vectorFromBase64 } from '../../core/vectors.ts';

/** What an OpenAI-compatible server answers, base64 or not; nothing of it is trusted. */
const responseSchema = z.object({
  data: z.array(
    z.object({
      index: z.int().nonnegative(),
      embedding: z.union([z.string(), z.array(z.number())]),
    }),
  ),
  usage: z.object({ total_tokens: z.unknown(), prompt_tokens: z.unknown() }).partial().nullish().catch(null),
});

export interface ReadResponse {
  /** In the order of the texts that were sent. */
  vectors: Float32Array[];
  /** Tokens charged for the whole call; undefined where the server does not say. */
  tokens: number | undefined;
}

/**
 * Puts every vector back to its text by `index` (the order of `data` is not promised) and checks count,
 * dimension and numbers. @throws EmbedQLError PROVIDER_ERROR.
 */
export function readResponse(body: unknown, texts: number, spec: ModelSpec): ReadResponse {
  const parsed = responseSchema.safeParse(body);
  if (!parsed.success) throw wrong(spec, 'sent something that is not an embeddings answer');
  const { data, usage } = parsed.data;
  if (data.length !== texts) throw wrong(spec, `sent ${data.length} vectors for ${texts} texts`);
  const vectors = new Array<Float32Array | undefined>(texts).fill(undefined);
  for (const { index, embedding } of data) {
    if (index >= texts || vectors[index]) throw wrong(spec, 'numbered its vectors wrongly');
    vectors[index] = readVector(embedding, spec);
  }
  const tokens = readCount(usage?.total_tokens) ?? readCount(usage?.prompt_tokens);
  return { vectors: vectors as Float32Array[], tokens };
}

/**
 * Zero, for texts that are not empty, is what a server says that does not count. Whether so many can be is for those to say
 * who know the texts.
 */
function readCount(count: unknown): number | undefined {
  if (typeof count !== 'number' || !(count > 0)) return undefined;
  return Math.min(Math.ceil(count), Number.MAX_SAFE_INTEGER);
}

function readVector(embedding: string | number[], spec: ModelSpec): Float32Array {
  const vector = typeof embedding === 'string' ? vectorFromBase64(embedding) : Float32Array.from(embedding);
  if (vector.length !== spec.dimension) {
    throw new EmbedQLError(
      'PROVIDER_ERROR',
      `The provider of ${spec.name} sent vectors of ${vector.length} numbers instead of ${spec.dimension}; ` +
        'compare the model that it serves with the "dimension" that is configured.',
    );
  }
  if (!isFiniteVector(vector)) throw wrong(spec, 'sent a vector with something that is not a number');
  return vector;
}

function wrong(spec: ModelSpec, what: string): EmbedQLError {
  return new EmbedQLError(
    'PROVIDER_ERROR',
    `The provider of ${spec.name} ${what}; nothing of it was kept. Check its base URL.`,
  );
}
