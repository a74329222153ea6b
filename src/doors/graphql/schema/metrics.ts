import { setTimeout as sleep } from 'node:timers/promises';
import type { Figures, Snapshot } from '../../../core/accounting.ts';
import { badUserInput, EmbedQLError } from '../../../core/errors.ts';
import type { Context } from '../context.ts';
import { type Builder, type SchemaTypes, toInt } from './builder.ts';
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

  builder.subscriptionType({ description: 'What can be watched as it changes, over server-sent events.' });
  builder.subscriptionField('metricsUpdated', (t) =>
    t.field({
      type: Metrics,
      description: 'The figures of `metrics`, now and again after every interval.',
      args: {
        intervalMs: t.arg.int({
          defaultValue: 1_000,
          description: `Milliseconds between two figures, at least ${leastIntervalMs}.`,
        }),
      },
      subscribe: (_root, { intervalMs }, context) => snapshots(context, intervalMs ?? 1_000),
      resolve: (snapshot) => snapshot,
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
        'Sets the figures of `metrics` to zero and gives back what they were. Requires an admin key where ' +
        'EMBEDQL_ADMIN_KEYS is set. Prometheus counters are not touched.',
      resolve: (_root, _args, context) => {
        requireAdmin(context);
        return { previous: context.accounting.reset() };
      },
    }),
  );
}

const leastIntervalMs = 100;

async function* snapshots({ accounting, stopping }: Context, intervalMs: number): AsyncGenerator<Snapshot> {
  if (intervalMs < leastIntervalMs) throw badUserInput(`intervalMs must be ${leastIntervalMs} or more.`);
  while (!stopping.aborted) {
    yield accounting.snapshot();
    // The server's end is an end without an error.
    await sleep(intervalMs, undefined, { signal: stopping }).catch(() => {});
  }
}

function requireAdmin({ role, key }: Context): void {
  if (role === 'admin') return;
  throw new EmbedQLError(
    key === 'anonymous' ? 'UNAUTHENTICATED' : 'FORBIDDEN',
    'resetMetrics requires an admin key: send "Authorization: Bearer <key>" with one of adminKeys.',
    { hint: 'adminKeys' },
  );
}

function addTypes(builder: Builder) {
  const ModelMetrics = builder.objectRef<Figures & { model: string }>('ModelMetrics').implement({
    description: 'The figures of one model.',
    fields: (t) => ({
      model: t.exposeString('model', { description: 'The name of the model.' }),
      ...figureFields(t),
    }),
  });

  const ErrorCount = builder.objectRef<Snapshot['errors'][number]>('ErrorCount').implement({
    description: 'How often something failed.',
    fields: (t) => ({
      code: t.string({
        description: 'What went wrong, as in the `extensions.code` of an error.',
        resolve: ({ code }) => code,
      }),
      count: t.int({
        description: 'Fields and entries of lists that failed so.',
        resolve: ({ count }) => toInt(count),
      }),
    }),
  });

  return builder.objectRef<Snapshot>('Metrics').implement({
    description: 'Figures since `since`, of this process alone.',
    fields: (t) => ({
      ...figureFields(t),
      operations: t.int({
        description: 'Operations that were answered, whichever way they came.',
        resolve: ({ operations }) => toInt(operations),
      }),
      failedOperations: t.int({
        description: 'Of those, the ones whose answer had `errors`.',
        resolve: ({ failedOperations }) => toInt(failedOperations),
      }),
      errors: t.field({
        type: [ErrorCount],
        description: 'Fields and entries of lists that failed, by code, the most frequent first.',
        resolve: ({ errors }) => errors,
      }),
      averageOperationMs: t.float({
        description: 'Milliseconds that an operation took, on average; subscriptions are left out.',
        resolve: ({ timedOperations, operationMs }) =>
          timedOperations === 0 ? 0 : operationMs / timedOperations,
      }),
      queueDepth: t.int({
        description: 'Texts that wait at this moment to be sent to a provider.',
        resolve: (_snapshot, _args, { embedder }) =>
          toInt(embedder.queueDepths().reduce((sum, { texts }) => sum + texts, 0)),
      }),
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
      resolve: ({ generated }) => toInt(generated),
    }),
    cacheHits: t.int({
      description: 'Texts answered from the cache.',
      resolve: ({ cacheHits }) => toInt(cacheHits),
    }),
    redisHits: t.int({
      description: 'Of those, the ones that came from Redis; the others came from memory.',
      resolve: ({ hitsByTier }) => toInt(hitsByTier.get('redis') ?? 0),
    }),
    cacheMisses: t.int({
      description: 'Texts that were looked up, not found, and sent to be computed.',
      resolve: ({ cacheMisses }) => toInt(cacheMisses),
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
      resolve: ({ providerCalls }) => toInt(providerCalls),
    }),
    averageBatchSize: t.float({
      description: 'Texts in a provider call, on average.',
      resolve: ({ textsSent, providerCalls }) => (providerCalls === 0 ? 0 : textsSent / providerCalls),
    }),
    averageProviderCallMs: t.float({
      description: 'Milliseconds that a provider call took, on average.',
      resolve: ({ providerMs, providerCalls }) => (providerCalls === 0 ? 0 : providerMs / providerCalls),
    }),
    coalescedTexts: t.int({
      description: 'Texts that shared their provider call with others, or joined a computation under way.',
      resolve: ({ coalescedTexts }) => toInt(coalescedTexts),
    }),
  };
}
