import type { InputShapeFromFields } from '@pothos/core';
import type { Builder } from './builder.ts';

/** What becomes of a text over the limit of the model. */
export function addLongText(builder: Builder) {
  return builder.enumType('LongText', {
    description: 'How a text over the token limit of the model is handled.',
    values: {
      TRUNCATE: { value: 'truncate', description: 'It is cut; `truncated` is true.' },
      REFUSE: { value: 'refuse', description: 'It fails with TEXT_TOO_LONG.' },
      AVERAGE: {
        value: 'average',
        description:
          'It is read in pieces, and the vector is their mean, weighted by tokens and scaled to unit length. Each piece is ' +
          'cached and counts as a text. For search in long documents, `embedChunks` is better: a mean of many topics is ' +
          'close to none of them.',
      },
    } as const,
  });
}

export type LongTextRef = ReturnType<typeof addLongText>;

/** The arguments that every embedding field takes. */
export function embeddingArguments(builder: Builder, LongText: LongTextRef) {
  return builder.args((t) => ({
    model: t.string({
      description: 'The name of a model, as `models` lists it. Default: the default model.',
    }),
    useCache: t.boolean({
      defaultValue: true,
      description: 'If false, the cache is neither read nor written.',
    }),
    dimensions: t.int({
      description:
        'Shortens the vector to this many numbers and scales it to unit length again. Only for models with ' +
        '`supportsDimensions`.',
    }),
    truncate: t.boolean({
      defaultValue: true,
      description:
        'If true, a text over the limit of the model is cut, and `truncated` is true. If false, it fails with ' +
        'TEXT_TOO_LONG. `longText` overrides it.',
    }),
    longText: t.field({
      type: LongText,
      description: 'How a text over the limit of the model is handled. Default: as `truncate` says.',
    }),
  }));
}

export type EmbeddingArguments = InputShapeFromFields<ReturnType<typeof embeddingArguments>>;
