import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { batchCostOf, costOf } from '../core/accounting.ts';
import type {
  AdmissionEvents,
  CacheEvents,
  CanaryCall,
  EmbedderEvents,
  OperationEvents,
  OperationReport,
  ProviderCall,
} from '../core/events.ts';
import type { EndpointStatus, ModelSpec } from '../core/model.ts';
import { PlainHistogram } from './plain-histogram.ts';
import { TalliedCounter } from './tallied-counter.ts';

export interface PrometheusOptions {
  specs: readonly ModelSpec[];
  /** Read at every scrape. */
  queueDepths(): Array<{ model: string; texts: number }>;
  /** Whether a tier of the cache that should be there is away. */
  cacheDegraded(): boolean;
  /** Milliseconds that figures of the ledger have been waiting for a store that does not take them. */
  ledgerBehindMs(): number;
  /** What keys with a limit have left of their money. */
  moneyLeft(): Array<{ key: string; per: 'day' | 'month'; limitUsd: number; leftUsd: number }>;
  /** The same for the places that serve models. */
  endpoints(): Array<{ model: string } & EndpointStatus>;
}

/** Texts in a call: up to the 2,048 that OpenAI takes. */
const batchSizes = [1, 2, 4, 8, 16, 32, 64, 100, 128, 256, 512, 1_024, 2_048];
const operationSeconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const seconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** What the core and the cache do, as Prometheus reads it. Nothing here ever goes back. */
export class PrometheusMetrics implements EmbedderEvents, CacheEvents, AdmissionEvents, OperationEvents {
  readonly #registry = new Registry();
  readonly #prices: ReadonlyMap<string, ModelSpec>;
  readonly #embeddings: TalliedCounter<'model' | 'source'>;
  readonly #calls: Counter<'model' | 'outcome'>;
  readonly #batchSize: Histogram<'model'>;
  readonly #duration: Histogram<'model'>;
  readonly #tokens: Counter<'model'>;
  readonly #cost: Counter<'model'>;
  readonly #saved: TalliedCounter<'model'>;
  readonly #cacheErrors: Counter<'operation'>;
  readonly #operations: TalliedCounter<'type' | 'outcome'>;
  readonly #errors: Counter<'code'>;
  readonly #keyTexts: TalliedCounter<'key'>;
  readonly #keyTokens: Counter<'key'>;
  readonly #keyCost: Counter<'key'>;
  readonly #keyRefusals: Counter<'key' | 'code'>;
  readonly #webSockets: Gauge;
  readonly #operationSeconds = new PlainHistogram(
    'embedql_operation_duration_seconds',
    'Time that operations which asked for texts took, without subscriptions.',
    operationSeconds,
  );

  readonly #endpointCalls: Counter<'model' | 'endpoint' | 'outcome'>;
  readonly #canaries: Counter<'model' | 'endpoint' | 'outcome'>;

  constructor({
    specs,
    queueDepths,
    endpoints,
    cacheDegraded,
    ledgerBehindMs,
    moneyLeft,
  }: PrometheusOptions) {
    const registers = [this.#registry];
    this.#prices = new Map(specs.map((spec) => [spec.name, spec]));
    this.#embeddings = new TalliedCounter({
      name: 'embedql_embeddings_total',
      help: 'Embeddings by where they came from: provider, memory, disk or redis.',
      labelNames: ['model', 'source'],
      registers,
    });
    this.#calls = new Counter({
      name: 'embedql_provider_calls_total',
      help: 'Calls to providers, retries included, by outcome: ok or an error code.',
      labelNames: ['model', 'outcome'],
      registers,
    });
    this.#batchSize = new Histogram({
      name: 'embedql_provider_batch_size',
      help: 'Texts in a provider call.',
      labelNames: ['model'],
      buckets: batchSizes,
      registers,
    });
    this.#duration = new Histogram({
      name: 'embedql_provider_call_duration_seconds',
      help: 'Time that a provider call took.',
      labelNames: ['model'],
      buckets: seconds,
      registers,
    });
    this.#tokens = new Counter({
      name: 'embedql_tokens_total',
      help: 'Tokens that providers charged for.',
      labelNames: ['model'],
      registers,
    });
    this.#cost = new Counter({
      name: 'embedql_cost_usd_total',
      help: 'USD that providers charged.',
      labelNames: ['model'],
      registers,
    });
    this.#saved = new TalliedCounter({
      name: 'embedql_cost_saved_usd_total',
      help: 'USD that cache hits would have cost.',
      labelNames: ['model'],
      registers,
    });
    this.#cacheErrors = new Counter({
      name: 'embedql_cache_errors_total',
      help: 'Cache operations that failed without failing a request, by operation: read, write or decode.',
      labelNames: ['operation'],
      registers,
    });
    this.#operations = new TalliedCounter({
      name: 'embedql_operations_total',
      help: 'Operations by type (query, mutation, subscription, embeddings; unknown for what could not be read) and outcome: ok, failed or cancelled.',
      labelNames: ['type', 'outcome'],
      registers,
    });
    this.#errors = new Counter({
      name: 'embedql_errors_total',
      help: 'Fields and entries of lists that failed, by error code.',
      labelNames: ['code'],
      registers,
    });
    this.#keyTexts = new TalliedCounter({
      name: 'embedql_key_texts_total',
      help: 'Texts requested, by the name of the key.',
      labelNames: ['key'],
      registers,
    });
    this.#keyTokens = new Counter({
      name: 'embedql_key_tokens_total',
      help: 'Tokens that providers charged for, by the name of the key that asked first.',
      labelNames: ['key'],
      registers,
    });
    this.#keyCost = new Counter({
      name: 'embedql_key_cost_usd_total',
      help: 'USD that providers charged, by the name of the key that asked first.',
      labelNames: ['key'],
      registers,
    });
    this.#keyRefusals = new Counter({
      name: 'embedql_key_refusals_total',
      help: 'Operations that were refused before they ran, by the name of the key and the error code.',
      labelNames: ['key', 'code'],
      registers,
    });
    new Gauge({
      name: 'embedql_queue_depth',
      help: 'Texts that wait to be sent to a provider.',
      labelNames: ['model'],
      registers,
      collect() {
        for (const { model, texts } of queueDepths()) this.set({ model }, texts);
      },
    });
    new Gauge({
      name: 'embedql_cache_degraded',
      help: '1 while the disk or Redis is configured as a cache and cannot be used, else 0.',
      registers,
      collect() {
        this.set(cacheDegraded() ? 1 : 0);
      },
    });
    new Gauge({
      name: 'embedql_ledger_behind_seconds',
      help: 'How long figures of the ledger have been waiting because Redis or the disk does not take them; a crash would lose them.',
      registers,
      collect() {
        this.set(ledgerBehindMs() / 1_000);
      },
    });
    new Gauge({
      name: 'embedql_key_budget_usd',
      help: 'USD that a key may spend in a UTC day or month.',
      labelNames: ['key', 'per'],
      registers,
      collect() {
        for (const { key, per, limitUsd } of moneyLeft()) this.set({ key, per }, limitUsd);
      },
    });
    new Gauge({
      name: 'embedql_key_budget_left_usd',
      help: 'USD that are left to a key of its day or month; what is set aside counts as spent.',
      labelNames: ['key', 'per'],
      registers,
      collect() {
        for (const { key, per, leftUsd } of moneyLeft()) this.set({ key, per }, leftUsd);
      },
    });
    this.#endpointCalls = new Counter({
      name: 'embedql_endpoint_calls_total',
      help: 'Calls to each endpoint of a model, retries included, by outcome: ok or an error code.',
      labelNames: ['model', 'endpoint', 'outcome'],
      registers,
    });
    this.#canaries = new Counter({
      name: 'embedql_endpoint_canaries_total',
      help: 'Times that an endpoint was asked for the vector of a fixed text, by outcome.',
      labelNames: ['model', 'endpoint', 'outcome'],
      registers,
    });
    new Gauge({
      name: 'embedql_endpoint_healthy',
      help: '1 while an endpoint of a model is in use; 0 while it is left alone, asks for a pause, or is shut out.',
      labelNames: ['model', 'endpoint'],
      registers,
      collect() {
        for (const { model, name, healthy } of endpoints())
          this.set({ model, endpoint: name }, healthy ? 1 : 0);
      },
    });
    new Gauge({
      name: 'embedql_endpoint_calls_in_flight',
      help: 'Calls to an endpoint of a model that are under way.',
      labelNames: ['model', 'endpoint'],
      registers,
      collect() {
        for (const { model, name, inFlight } of endpoints()) this.set({ model, endpoint: name }, inFlight);
      },
    });
    this.#webSockets = new Gauge({
      name: 'embedql_websocket_connections',
      help: 'WebSockets that are open.',
      registers,
    });
    ofProcess();
  }

  readonly contentType = Registry.PROMETHEUS_CONTENT_TYPE;

  /** The page that Prometheus scrapes. */
  async text(): Promise<string> {
    const ours = `${await this.#registry.metrics()}\n${this.#operationSeconds.text()}`;
    return `${ours}\n${await ofProcess().metrics()}`;
  }

  cacheHits(model: string, tier: string, texts: number, tokens: number): void {
    this.#embeddings.add(texts, model, tier);
    this.#saved.add(this.#price(model, tokens), model);
  }

  cacheMisses(): void {}

  joined(): void {}

  computed(model: string, texts: number, tokens: number, _estimated = 0, inBatch = false): void {
    this.#embeddings.add(texts, model, 'provider');
    this.#tokens.inc({ model }, tokens);
    const spec = this.#prices.get(model);
    this.#cost.inc({ model }, inBatch && spec ? batchCostOf(tokens, spec) : this.#price(model, tokens));
  }

  providerCall({ model, texts, seconds: duration, outcome, endpoint }: ProviderCall): void {
    this.#calls.inc({ model, outcome });
    if (endpoint !== undefined) this.#endpointCalls.inc({ model, endpoint, outcome });
    this.#batchSize.observe({ model }, texts);
    this.#duration.observe({ model }, duration);
  }

  canary({ model, endpoint, outcome, tokens }: CanaryCall): void {
    this.#canaries.inc({ model, endpoint, outcome });
    if (tokens === 0) return;
    this.#tokens.inc({ model }, tokens);
    this.#cost.inc({ model }, this.#price(model, tokens));
  }

  cacheError(operation: string): void {
    this.#cacheErrors.inc({ operation });
  }

  operation({ type, outcome, ms, texts, errors }: OperationReport): void {
    this.#operations.add(1, type, outcome);
    if (texts > 0 && type !== 'subscription') this.#operationSeconds.observe(ms / 1_000);
    for (const [code, count] of errors) this.#errors.inc({ code }, count);
  }

  admitted(key: string, texts: number): void {
    if (texts > 0) this.#keyTexts.add(texts, key);
  }

  refused(key: string, code: string): void {
    this.#keyRefusals.inc({ key, code });
  }

  charged(key: string, usd: number, tokens: number): void {
    this.#keyCost.inc({ key }, usd);
    this.#keyTokens.inc({ key }, tokens);
  }

  /** @param open WebSockets that are open now */
  webSockets(open: number): void {
    this.#webSockets.set(open);
  }

  #price(model: string, tokens: number): number {
    return costOf(tokens, this.#prices.get(model) ?? { costPer1kTokens: null });
  }
}

let processRegistry: Registry | undefined;

/** Node's own figures: there is one process, however many servers are in it, and what watches it never stops. */
function ofProcess(): Registry {
  if (!processRegistry) {
    processRegistry = new Registry();
    collectDefaultMetrics({ register: processRegistry });
  }
  return processRegistry;
}
