import type { InputShapeFromFields } from '@pothos/core';
import type { Builder } from './builder.ts';

/** The arguments that every embedding field takes. */
export function embeddingArguments(builder: Builder) {
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
        'TEXT_TOO_LONG.',
    }),
  }));
}

export type EmbeddingArguments = InputShapeFromFields<ReturnType<typeof embeddingArguments>>;
