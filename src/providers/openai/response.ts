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
  usage: z
    .object({
      total_tokens: z.int().nonnegative().optional(),
      prompt_tokens: z.int().nonnegative().optional(),
    })
    .nullish(),
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
  // A usage of zero for texts that are not empty is a server that does not count.
  const tokens = usage?.total_tokens || usage?.prompt_tokens || undefined;
  return { vectors: vectors as Float32Array[], tokens };
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
