import type { Figures, Snapshot } from '../embedder/accounting.ts';
import { EmbedQLError } from '../embedder/errors.ts';
import type { Builder, SchemaTypes } from './builder.ts';
import type { Context } from './context.ts';
import { loadedModels } from './health.ts';

/** `metrics` and `resetMetrics`. */
export function addMetrics(builder: Builder): void {
  const Metrics = addTypes(builder);

  builder.queryField('metrics', (t) =>
    t.field({
      type: Metrics,
      description:
        'What has been computed, cached, paid and saved since the start or the last `resetMetrics`.',
      resolve: (_root, _args, { accounting }) => accounting.snapshot(),
    }),
  );

  const Payload = builder.objectRef<{ previous: Snapshot }>('ResetMetricsPayload').implement({
    description: 'What `resetMetrics` answers.',
    fields: (t) => ({
      status: t.string({ description: '`success`.', resolve: () => 'success' }),
      message: t.string({
        description: 'What was done, for a person.',
        resolve: () => 'All figures of the metrics query start again from zero; Prometheus counters go on.',
      }),
      previous: t.field({
        type: Metrics,
        description: 'The figures as they were.',
        resolve: ({ previous }) => previous,
      }),
    }),
  });

  builder.mutationField('resetMetrics', (t) =>
    t.field({
      type: Payload,
      description:
        'Sets the figures of `metrics` to zero and gives back what they were. Wants an admin key where ' +
        'EMBEDQL_ADMIN_KEYS is set. Prometheus counters are not touched.',
      resolve: (_root, _args, context) => {
        requireAdmin(context);
        return { previous: context.accounting.reset() };
      },
    }),
  );
}

function requireAdmin({ role }: Context): void {
  if (role === 'admin') return;
  throw new EmbedQLError('FORBIDDEN', 'resetMetrics wants one of the keys in EMBEDQL_ADMIN_KEYS.');
}

function addTypes(builder: Builder) {
  const ModelMetrics = builder.objectRef<Figures & { model: string }>('ModelMetrics').implement({
    description: 'The figures of one model.',
    fields: (t) => ({
      model: t.exposeString('model', { description: 'The name of the model.' }),
      ...figureFields(t),
    }),
  });

  return builder.objectRef<Snapshot>('Metrics').implement({
    description: 'Figures since `since`, of this process alone.',
    fields: (t) => ({
      ...figureFields(t),
      modelsLoaded: t.stringList({
        description: 'Models that answer without being loaded first.',
        resolve: (_snapshot, _args, { catalogue }) => loadedModels(catalogue),
      }),
      since: t.string({
        description: 'When the counting began (ISO 8601, UTC).',
        resolve: ({ since }) => since.toISOString(),
      }),
      byModel: t.field({
        type: [ModelMetrics],
        description: 'The same for each model that was used.',
        resolve: ({ byModel }) => byModel,
      }),
    }),
  });
}

type FieldBuilder<Source> = PothosSchemaTypes.ObjectFieldBuilder<
  PothosSchemaTypes.ExtendDefaultTypes<SchemaTypes>,
  Source
>;

/** The figures that there are for one model and for all together. */
function figureFields<Source extends Figures>(t: FieldBuilder<Source>) {
  return {
    totalEmbeddingsGenerated: t.int({
      description: 'Vectors that providers computed.',
      resolve: ({ generated }) => generated,
    }),
    cacheHits: t.int({
      description: 'Texts answered from the cache.',
      resolve: ({ cacheHits }) => cacheHits,
    }),
    cacheMisses: t.int({
      description: 'Texts that were looked up, not found, and sent to be computed.',
      resolve: ({ cacheMisses }) => cacheMisses,
    }),
    cacheHitRate: t.float({
      description: 'Hits by look-ups, from 0 to 1; 0 before the first look-up.',
      resolve: ({ cacheHits, cacheMisses }) => (cacheHits === 0 ? 0 : cacheHits / (cacheHits + cacheMisses)),
    }),
    totalCostUsd: t.float({ description: 'USD that providers charged.', resolve: ({ costUsd }) => costUsd }),
    costSavedUsd: t.float({
      description: 'USD that the cache hits would have cost.',
      resolve: ({ costSavedUsd }) => costSavedUsd,
    }),
    totalTokens: t.float({
      description: 'Tokens that providers charged for.',
      resolve: ({ tokens }) => tokens,
    }),
    providerCalls: t.int({
      description: 'Calls to providers, failed ones and retries included.',
      resolve: ({ providerCalls }) => providerCalls,
    }),
    averageBatchSize: t.float({
      description: 'Texts in a provider call, on average.',
      resolve: ({ textsSent, providerCalls }) => (providerCalls === 0 ? 0 : textsSent / providerCalls),
    }),
    coalescedTexts: t.int({
      description: 'Texts that shared their provider call with others, or joined a computation under way.',
      resolve: ({ coalescedTexts }) => coalescedTexts,
    }),
  };
}
