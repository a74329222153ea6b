import type { EmbeddingModel, EndpointStatus } from '../../../core/model.ts';
import type { Builder } from './builder.ts';
import { type Entity, keyText } from './federation.ts';

/** `models`, `defaultModel`, and the type of both. */
export function addModels(builder: Builder): Entity<EmbeddingModel> {
  const Endpoint = builder.objectRef<EndpointStatus>('Endpoint').implement({
    description: 'One of the places that serve a model.',
    fields: (t) => ({
      name: t.exposeString('name', {
        description: 'What the models file calls it, else its host.',
      }),
      healthy: t.exposeBoolean('healthy', {
        description:
          'Whether it is in use: false while it is left alone after failures, asks for a pause, or is shut out.',
      }),
      inFlight: t.exposeInt('inFlight', { description: 'Calls to it that are under way.' }),
      reason: t.string({
        nullable: true,
        description: 'Why it is not healthy; null if it is.',
        resolve: ({ reason }) => reason ?? null,
      }),
    }),
  });
  const Model = builder.objectRef<EmbeddingModel>('Model').implement({
    description: 'An embedding model.',
    fields: (t) => ({
      name: t.string({
        description: 'The name to pass as the `model` argument.',
        resolve: ({ spec }) => spec.name,
      }),
      provider: t.string({
        description:
          'The provider: `openai` for OpenAI and compatible servers, `local` for this process, a vendor, or one that was added.',
        resolve: ({ spec }) => spec.provider,
      }),
      dimension: t.int({
        description: 'The length of a full vector.',
        resolve: ({ spec }) => spec.dimension,
      }),
      maxBatchSize: t.int({
        description: 'Maximum number of texts in one provider call.',
        resolve: ({ spec }) => spec.maxBatchSize,
      }),
      maxInputTokens: t.int({
        description: 'Maximum number of tokens in one text.',
        resolve: ({ spec }) => spec.maxInputTokens,
      }),
      costPer1kTokens: t.float({
        nullable: true,
        description: 'USD for 1,000 tokens; 0 if free, null if unknown.',
        resolve: ({ spec }) => spec.costPer1kTokens,
      }),
      supportsDimensions: t.boolean({
        description: 'Whether the `dimensions` argument can shorten its vectors.',
        resolve: ({ spec }) => spec.supportsDimensions,
      }),
      dimensions: t.intList({
        nullable: true,
        description:
          'The sizes that the `dimensions` argument may ask for; null for any up to `dimension`, where ' +
          '`supportsDimensions` is true.',
        resolve: ({ spec }) => (spec.matryoshka ? [...spec.matryoshka] : null),
      }),
      available: t.boolean({
        description: 'Whether the model can be used; if not, `unavailableReason` says why.',
        resolve: (model) => model.status().available,
      }),
      unavailableReason: t.string({
        nullable: true,
        description: 'Why the model is unavailable, and what to do; null if it is available.',
        resolve: (model) => model.status().reason ?? null,
      }),
      loaded: t.boolean({
        description: 'Whether the model is ready without loading. A local model is loaded at its first text.',
        resolve: (model) => model.status().loaded,
      }),
      endpoints: t.field({
        type: [Endpoint],
        description: 'The places that serve it; none for a model that runs in this process.',
        resolve: (model) => model.endpoints?.() ?? [],
      }),
      isDefault: t.boolean({
        description: 'Whether this is the default model.',
        resolve: (model, _args, { catalogue }) => model === catalogue.defaultModel,
      }),
    }),
  });

  builder.queryField('models', (t) =>
    t.field({
      type: [Model],
      description: 'All models, including unavailable ones.',
      resolve: (_root, _args, { catalogue }) => catalogue.all(),
    }),
  );
  builder.queryField('defaultModel', (t) =>
    t.field({
      type: Model,
      description: 'The model of requests that name none.',
      resolve: (_root, _args, { catalogue }) => catalogue.defaultModel,
    }),
  );
  return {
    type: Model,
    keys: ['name'],
    find: (representation, { catalogue }) => ({ source: catalogue.get(keyText(representation, 'name')) }),
  };
}
