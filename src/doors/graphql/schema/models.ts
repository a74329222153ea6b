import type { EmbeddingModel } from '../../../core/model.ts';
import type { Builder } from './builder.ts';
import { type Entity, keyText } from './federation.ts';

/** `models`, `defaultModel`, and the type of both. */
export function addModels(builder: Builder): Entity<EmbeddingModel> {
  const Model = builder.objectRef<EmbeddingModel>('Model').implement({
    description: 'A model that texts can be embedded with.',
    fields: (t) => ({
      name: t.string({
        description: 'What to give as the `model` argument.',
        resolve: ({ spec }) => spec.name,
      }),
      provider: t.string({
        description:
          'Who computes: `openai` for OpenAI and servers that speak like it, `local` for this process.',
        resolve: ({ spec }) => spec.provider,
      }),
      dimension: t.int({ description: 'Numbers in a full vector.', resolve: ({ spec }) => spec.dimension }),
      maxBatchSize: t.int({
        description: 'Texts in one provider call.',
        resolve: ({ spec }) => spec.maxBatchSize,
      }),
      maxInputTokens: t.int({
        description: 'Tokens that the model reads of one text.',
        resolve: ({ spec }) => spec.maxInputTokens,
      }),
      costPer1kTokens: t.float({
        nullable: true,
        description: 'USD for 1,000 tokens; 0 is free, null is not known.',
        resolve: ({ spec }) => spec.costPer1kTokens,
      }),
      supportsDimensions: t.boolean({
        description: 'Whether the `dimensions` argument can shorten its vectors.',
        resolve: ({ spec }) => spec.supportsDimensions,
      }),
      available: t.boolean({
        description: 'Whether it can be asked; `unavailableReason` says what is missing.',
        resolve: (model) => model.status().available,
      }),
      unavailableReason: t.string({
        nullable: true,
        description: 'What stands in the way, and what to do; null when the model is available.',
        resolve: (model) => model.status().reason ?? null,
      }),
      loaded: t.boolean({
        description:
          'Whether it answers without being loaded first. Local models are loaded by their first text.',
        resolve: (model) => model.status().loaded,
      }),
      isDefault: t.boolean({
        description: 'Whether it is used where no model is named.',
        resolve: (model, _args, { catalogue }) => model === catalogue.defaultModel,
      }),
    }),
  });

  builder.queryField('models', (t) =>
    t.field({
      type: [Model],
      description: 'Every model there is, available or not.',
      resolve: (_root, _args, { catalogue }) => catalogue.all(),
    }),
  );
  builder.queryField('defaultModel', (t) =>
    t.field({
      type: Model,
      description: 'The model that is used where none is named.',
      resolve: (_root, _args, { catalogue }) => catalogue.defaultModel,
    }),
  );
  return {
    type: Model,
    keys: ['name'],
    find: (representation, { catalogue }) => ({ source: catalogue.get(keyText(representation, 'name')) }),
  };
}
