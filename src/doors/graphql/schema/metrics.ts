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
      description: 'Counts, tokens and costs since the start or the last `resetMetrics`.',
      resolve: (_root, _args, { accounting }) => accounting.snapshot(),
    }),
  );

  builder.subscriptionType({ description: 'Streams, over server-sent events.' });
  builder.subscriptionField('metricsUpdated', (t) =>
    t.field({
      type: Metrics,
      description: 'The figures of `metrics`: once at the start, then after every interval.',
      args: {
        intervalMs: t.arg.int({
          defaultValue: 1_000,
          description: `Milliseconds between two events, at least ${leastIntervalMs}.`,
        }),
      },
      subscribe: (_root, { intervalMs }, context) => snapshots(context, intervalMs ?? 1_000),
      resolve: (snapshot) => snapshot,
    }),
  );

  const Payload = builder.objectRef<{ previous: Snapshot }>('ResetMetricsPayload').implement({
    description: 'The result of `resetMetrics`.',
    fields: (t) => ({
      status: t.string({ description: '`success`.', resolve: () => 'success' }),
      message: t.string({
        description: 'A message for people.',
        resolve: () =>
          'All figures of the metrics query are reset to zero; the Prometheus counters are unchanged.',
      }),
      previous: t.field({
        type: Metrics,
        description: 'The figures before the reset.',
        resolve: ({ previous }) => previous,
      }),
    }),
  });

  builder.mutationField('resetMetrics', (t) =>
    t.field({
      type: Payload,
      description:
        'Sets the figures of `metrics` to zero and returns the previous ones. Requires an admin key if ' +
        'EMBEDQL_ADMIN_KEYS is set. Does not change the Prometheus counters.',
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
    description: 'The number of failures with one error code.',
    fields: (t) => ({
      code: t.string({
        description: 'The error code, as in `extensions.code` of an error.',
        resolve: ({ code }) => code,
      }),
      count: t.int({
        description: 'Fields, and entries of lists, that failed with it.',
        resolve: ({ count }) => toInt(count),
      }),
    }),
  });

  return builder.objectRef<Snapshot>('Metrics').implement({
    description: 'Figures of this process since `since`.',
    fields: (t) => ({
      ...figureFields(t),
      operations: t.int({
        description: 'Operations answered, over GraphQL and `/v1`.',
        resolve: ({ operations }) => toInt(operations),
      }),
      failedOperations: t.int({
        description: 'Operations whose answer had `errors`.',
        resolve: ({ failedOperations }) => toInt(failedOperations),
      }),
      errors: t.field({
        type: [ErrorCount],
        description: 'Failed fields, and entries of lists, by error code; the most frequent first.',
        resolve: ({ errors }) => errors,
      }),
      averageOperationMs: t.float({
        description: 'Average duration of an operation in milliseconds, without subscriptions.',
        resolve: ({ timedOperations, operationMs }) =>
          timedOperations === 0 ? 0 : operationMs / timedOperations,
      }),
      queueDepth: t.int({
        description: 'Texts that are waiting for a provider call.',
        resolve: (_snapshot, _args, { embedder }) =>
          toInt(embedder.queueDepths().reduce((sum, { texts }) => sum + texts, 0)),
      }),
      modelsLoaded: t.stringList({
        description: 'Models that are ready without loading.',
        resolve: (_snapshot, _args, { catalogue }) => loadedModels(catalogue),
      }),
      since: t.string({
        description: 'The time of the start or the last reset (ISO 8601, UTC).',
        resolve: ({ since }) => since.toISOString(),
      }),
      byModel: t.field({
        type: [ModelMetrics],
        description: 'The figures of each model that was used.',
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
      description: 'Vectors computed by providers.',
      resolve: ({ generated }) => toInt(generated),
    }),
    cacheHits: t.int({
      description: 'Texts answered from the cache.',
      resolve: ({ cacheHits }) => toInt(cacheHits),
    }),
    redisHits: t.int({
      description: 'Cache hits from Redis.',
      resolve: ({ hitsByTier }) => toInt(hitsByTier.get('redis') ?? 0),
    }),
    diskHits: t.int({
      description: 'Cache hits from the disk.',
      resolve: ({ hitsByTier }) => toInt(hitsByTier.get('disk') ?? 0),
    }),
    cacheMisses: t.int({
      description: 'Texts not found in the cache and computed.',
      resolve: ({ cacheMisses }) => toInt(cacheMisses),
    }),
    cacheHitRate: t.float({
      description: 'Hits divided by look-ups, from 0 to 1; 0 before the first look-up.',
      resolve: ({ cacheHits, cacheMisses }) => (cacheHits === 0 ? 0 : cacheHits / (cacheHits + cacheMisses)),
    }),
    totalCostUsd: t.float({ description: 'USD charged by providers.', resolve: ({ costUsd }) => costUsd }),
    costSavedUsd: t.float({
      description: 'USD that the cache saved.',
      resolve: ({ costSavedUsd }) => costSavedUsd,
    }),
    totalTokens: t.float({
      description: 'Tokens charged by providers.',
      resolve: ({ tokens }) => tokens,
    }),
    providerCalls: t.int({
      description: 'Calls to providers, including retries and failed calls.',
      resolve: ({ providerCalls }) => toInt(providerCalls),
    }),
    averageBatchSize: t.float({
      description: 'Average number of texts in a provider call.',
      resolve: ({ textsSent, providerCalls }) => (providerCalls === 0 ? 0 : textsSent / providerCalls),
    }),
    averageProviderCallMs: t.float({
      description: 'Average duration of a provider call in milliseconds.',
      resolve: ({ providerMs, providerCalls }) => (providerCalls === 0 ? 0 : providerMs / providerCalls),
    }),
    coalescedTexts: t.int({
      description: 'Texts that shared a provider call with others, or joined a computation in progress.',
      resolve: ({ coalescedTexts }) => toInt(coalescedTexts),
    }),
  };
}
