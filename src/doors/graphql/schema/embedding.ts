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
    description: 'The embedding of one text, and what it took to get it.',
    fields: (t) => ({
      embedding: t.field({
        type: 'Vector',
        description:
          'The vector, as numbers. For many or long vectors `embeddingBase64` is smaller and faster.',
        resolve: ({ vector }, _args, { vectors }) => vectors.numbers(vector),
      }),
      embeddingBase64: t.string({
        description: 'The same vector as base64 of little-endian float32: 4 · dimension bytes.',
        resolve: ({ vector }, _args, { vectors }) => vectors.base64(vector),
      }),
      dimension: t.int({ description: 'Numbers in the vector.', resolve: ({ vector }) => vector.length }),
      model: t.string({ description: 'The model that made it.', resolve: ({ model }) => model }),
      cached: t.boolean({
        description:
          'Whether it came out of the cache. A text that is being computed already is waited for, which is not a cache hit.',
        resolve: ({ answer }) => answer.source !== 'provider',
      }),
      cost: t.float({
        description:
          'USD that this field caused. 0 when it was cached, or when the same text was asked for before it and ' +
          'not yet computed: the first to ask carries the cost.',
        resolve: ({ answer }) => answer.costUsd,
      }),
      tokens: t.int({
        description:
          'Tokens that the provider charged for this text; when it was cached, those it would have charged.',
        resolve: ({ answer }) => toInt(answer.tokens),
      }),
      truncated: t.boolean({
        description: 'Whether the text was longer than the model can read and was cut.',
        resolve: ({ answer }) => answer.truncated,
      }),
    }),
  });
}
