import type { Answer } from '../../../core/request.ts';
import { shortenVector } from '../../../core/vectors.ts';
import { type Builder, toInt } from './builder.ts';

/** What the resolvers of `Embedding` start from. */
export interface EmbeddingSource {
  answer: Answer;
  /** The name of the model. */
  model: string;
  /** The vector as it is given back, shortened where that was asked for. */
  vector: Float32Array;
}

export function embeddingSource(answer: Answer, model: string, dimension: number): EmbeddingSource {
  return { answer, model, vector: shortenVector(answer.vector, dimension) };
}

export function addEmbedding(builder: Builder) {
  return builder.objectRef<EmbeddingSource>('Embedding').implement({
    description: 'The embedding of one text, with its cost.',
    fields: (t) => ({
      embedding: t.field({
        type: 'Vector',
        description:
          'The vector as numbers. For many or long vectors, `embeddingBase64` is smaller and faster.',
        resolve: ({ vector }, _args, { vectors }) => vectors.numbers(vector),
      }),
      embeddingBase64: t.string({
        description: 'The vector as base64 of little-endian float32: 4 · dimension bytes.',
        resolve: ({ vector }, _args, { vectors }) => vectors.base64(vector),
      }),
      embeddingInt8: t.string({
        description:
          'The vector as base64 of dimension signed bytes, scaled so that the largest is 127: a quarter of the size, ' +
          'and nearly the same cosine.',
        resolve: ({ vector }, _args, { vectors }) => vectors.int8(vector),
      }),
      embeddingBinary: t.string({
        description:
          'The vector as base64 of one bit for each number (above zero or not), most significant bit first: ' +
          '1/32 of the size, for comparing by Hamming distance.',
        resolve: ({ vector }, _args, { vectors }) => vectors.binary(vector),
      }),
      chunks: t.int({
        description: 'The pieces that the text was read in: 1, or more with `longText: AVERAGE`.',
        resolve: ({ answer }) => answer.pieces?.length ?? 1,
      }),
      dimension: t.int({ description: 'The length of the vector.', resolve: ({ vector }) => vector.length }),
      model: t.string({ description: 'The name of the model.', resolve: ({ model }) => model }),
      cached: t.boolean({
        description:
          'Whether the vector came from the cache. Waiting for a computation already in progress is not a cache hit.',
        resolve: ({ answer }) => answer.source !== 'provider',
      }),
      cost: t.float({
        description:
          'USD that this field cost. 0 if the vector was cached, or if an earlier request for the same text was in ' +
          'progress: the first request carries the cost.',
        resolve: ({ answer }) => answer.costUsd,
      }),
      tokens: t.int({
        description:
          'Tokens that the provider charged for this text or, if it was cached, would have charged.',
        resolve: ({ answer }) => toInt(answer.tokens),
      }),
      truncated: t.boolean({
        description: 'Whether the text was over the limit of the model and was cut.',
        resolve: ({ answer }) => answer.truncated,
      }),
    }),
  });
}
