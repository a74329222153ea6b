import type { InputShapeFromFields } from '@pothos/core';
import type { Builder } from './builder.ts';

/** The arguments that every embedding field takes. */
export function embeddingArguments(builder: Builder) {
  return builder.args((t) => ({
    model: t.string({
      description: 'The name of the model, as `models` lists it. Without it: the default model.',
    }),
    useCache: t.boolean({
      defaultValue: true,
      description: 'False neither reads the cache nor writes to it.',
    }),
    dimensions: t.int({
      description:
        'A shorter vector: cut to this many numbers and scaled to unit length again. Only for models that are ' +
        'made for it (text-embedding-3-*).',
    }),
    truncate: t.boolean({
      defaultValue: true,
      description:
        'A text that is longer than the model can read is cut to its limit, and `truncated` says so. False ' +
        'refuses it with TEXT_TOO_LONG instead.',
    }),
  }));
}

export type EmbeddingArguments = InputShapeFromFields<ReturnType<typeof embeddingArguments>>;
