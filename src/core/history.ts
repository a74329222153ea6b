import { batchCostOf, costOf } from './accounting.ts';
import type { CanaryCall, EmbedderEvents, OperationEvents, OperationReport, ProviderCall } from './events.ts';
import { LatencyHistogram } from './latency.ts';
import type { ModelSpec } from './model.ts';

/** What happened in one minute. */
export interface HistoryPoint {
  /** When it began, in milliseconds since 1970. */
  readonly time: number;
  operations: number;
  /** Operations whose answer had errors. */
  failedOperations: number;
  /** Fields and entries that failed. */
  errors: number;
  /** Texts that were asked for; those that the cache had, and those that providers computed. */
  texts: number;
  hits: number;
  computed: number;
  tokens: number;
  costUsd: number;
  savedUsd: number;
  /** Attempts at providers, failed ones included. */
  calls: number;
  /** Milliseconds of operations that asked for texts. */
  p50: number;
  p95: number;
}

/** Minutes that are kept: a day. */
export const historyMinutes = 1_440;

const minuteMs = 60_000;

function emptyPoint(minute: number): HistoryPoint {
  return {
    time: minute * minuteMs,
    operations: 0,
    failedOperations: 0,
    errors: 0,
    texts: 0,
    hits: 0,
    computed: 0,
    tokens: 0,
    costUsd: 0,
    savedUsd: 0,
    calls: 0,
    p50: 0,
    p95: 0,
  };
}

/** What happened in each minute of the last day, in this process. What is reset is not forgotten here. */
export class History implements EmbedderEvents, OperationEvents {
  readonly #prices: ReadonlyMap<string, ModelSpec>;
  readonly #now: () => number;
  readonly #began: number;
  /** Minutes in which something happened, by minute modulo their number. */
  readonly #ring: Array<HistoryPoint | undefined> = new Array(historyMinutes);
  readonly #latency = new LatencyHistogram();
  #minute: number;
  #point: HistoryPoint;

  /** @param now milliseconds since 1970 */
  constructor(specs: readonly ModelSpec[], now: () => number = Date.now) {
    this.#prices = new Map(specs.map((spec) => [spec.name, spec]));
    this.#now = now;
    this.#began = this.#minute = Math.floor(now() / minuteMs);
    this.#point = emptyPoint(this.#minute);
    this.#ring[this.#minute % historyMinutes] = this.#point;
  }

  cacheHits(model: string, _tier: string, texts: number, tokens: number): void {
    const point = this.#current();
    point.hits += texts;
    const spec = this.#prices.get(model);
    if (spec) point.savedUsd += costOf(tokens, spec);
  }

  cacheMisses(): void {}

  joined(): void {}

  computed(model: string, texts: number, tokens: number, _estimated = 0, inBatch = false): void {
    const point = this.#current();
    point.computed += texts;
    point.tokens += tokens;
    const spec = this.#prices.get(model);
    if (spec) point.costUsd += inBatch ? batchCostOf(tokens, spec) : costOf(tokens, spec);
  }

  canary({ model, tokens }: CanaryCall): void {
    const point = this.#current();
    point.tokens += tokens;
    const spec = this.#prices.get(model);
    if (spec) point.costUsd += costOf(tokens, spec);
  }

  providerCall(_call: ProviderCall): void {
    this.#current().calls += 1;
  }

  operation({ type, outcome, ms, texts, errors }: OperationReport): void {
    const point = this.#current();
    point.operations += 1;
    point.texts += texts;
    if (outcome === 'failed') point.failedOperations += 1;
    if (texts > 0 && type !== 'subscription') this.#latency.add(ms);
    for (const count of errors.values()) point.errors += count;
  }

  /** The last minutes, oldest first, this one included; none from before the start. */
  last(minutes: number): HistoryPoint[] {
    this.#current();
    this.#close();
    const first = Math.max(this.#minute - Math.min(minutes, historyMinutes) + 1, this.#began);
    return Array.from({ length: this.#minute - first + 1 }, (_, i) => {
      const point = this.#ring[(first + i) % historyMinutes];
      return point?.time === (first + i) * minuteMs ? { ...point } : emptyPoint(first + i);
    });
  }

  #current(): HistoryPoint {
    const minute = Math.floor(this.#now() / minuteMs);
    // A clock that was put back goes on with the minute that it had reached.
    if (minute > this.#minute) {
      this.#close();
      this.#latency.reset();
      this.#minute = minute;
      this.#point = emptyPoint(minute);
      this.#ring[minute % historyMinutes] = this.#point;
    }
    return this.#point;
  }

  #close(): void {
    const { p50, p95 } = this.#latency.percentiles();
    this.#point.p50 = p50;
    this.#point.p95 = p95;
  }
}
