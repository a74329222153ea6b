import { setTimeout as sleep } from 'node:timers/promises';
import type { Figures, Snapshot } from '../../../core/accounting.ts';
import { badUserInput, EmbedQLError } from '../../../core/errors.ts';
import { type HistoryPoint, historyMinutes } from '../../../core/history.ts';
import type { Percentiles } from '../../../core/latency.ts';
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

  const Latency = builder.objectRef<Percentiles>('Latency').implement({
    description: 'Percentiles of durations, to about 1 %. 0 before the first.',
    fields: (t) => ({
      p50: t.float({
        description: 'Milliseconds that half of them took at most.',
        resolve: ({ p50 }) => p50,
      }),
      p95: t.float({ description: 'Milliseconds that 95 % took at most.', resolve: ({ p95 }) => p95 }),
      p99: t.float({ description: 'Milliseconds that 99 % took at most.', resolve: ({ p99 }) => p99 }),
      count: t.float({ description: 'Operations that were measured.', resolve: ({ count }) => count }),
    }),
  });

  const MetricsPoint = addMetricsPoint(builder);

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
      latency: t.field({
        type: Latency,
        description: 'How long operations that requested texts took, without subscriptions.',
        resolve: ({ latency }) => latency,
      }),
      history: t.field({
        type: [MetricsPoint],
        description:
          'What happened in each of the last minutes, oldest first, the current minute included. Kept by this process for ' +
          'a day; `resetMetrics` does not change it. Days are in `spend`.',
        args: {
          minutes: t.arg.int({
            defaultValue: 60,
            description: `Minutes, 1 to ${historyMinutes}. A process that has not run for so long gives fewer.`,
          }),
        },
        resolve: (_snapshot, { minutes }, { history }) => history.last(readMinutes(minutes ?? 60)),
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

/** What happened in one minute. */
function addMetricsPoint(builder: Builder) {
  return builder.objectRef<HistoryPoint>('MetricsPoint').implement({
    description: 'What happened in one minute.',
    fields: (t) => ({
      time: t.string({
        description: 'When the minute began (ISO 8601, UTC).',
        resolve: ({ time }) => new Date(time).toISOString(),
      }),
      operations: t.exposeFloat('operations', { description: 'Operations answered.' }),
      failedOperations: t.exposeFloat('failedOperations', {
        description: 'Operations whose answer had `errors`.',
      }),
      errors: t.exposeFloat('errors', { description: 'Fields, and entries of lists, that failed.' }),
      texts: t.exposeFloat('texts', { description: 'Texts requested.' }),
      hits: t.exposeFloat('hits', { description: 'Texts answered from the cache.' }),
      computed: t.exposeFloat('computed', { description: 'Vectors computed by providers.' }),
      tokens: t.exposeFloat('tokens', { description: 'Tokens charged by providers.' }),
      costUsd: t.exposeFloat('costUsd', { description: 'USD charged by providers.' }),
      costSavedUsd: t.exposeFloat('savedUsd', { description: 'USD that the cache saved.' }),
      calls: t.exposeFloat('calls', { description: 'Calls to providers, including failed ones.' }),
      p50: t.exposeFloat('p50', {
        description: 'Milliseconds that half of the operations with texts took at most; 0 without any.',
      }),
      p95: t.exposeFloat('p95', { description: 'Milliseconds that 95 % of them took at most.' }),
    }),
  });
}

function readMinutes(minutes: number): number {
  if (minutes >= 1 && minutes <= historyMinutes) return minutes;
  throw badUserInput(`minutes must be 1 to ${historyMinutes}; days are in spend.`);
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
