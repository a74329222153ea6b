import type { ErrorCode } from './errors.ts';
import type { CanaryCall, EmbedderEvents, OperationEvents, OperationReport, ProviderCall } from './events.ts';
import { LatencyHistogram, type Percentiles } from './latency.ts';
import type { ModelSpec } from './model.ts';

/** Figures of one model, or of all together. */
export interface Figures {
  /** Vectors that a provider computed. */
  generated: number;
  cacheHits: number;
  /** The same by the tier that had them. */
  hitsByTier: ReadonlyMap<string, number>;
  cacheMisses: number;
  /** Tokens that providers charged for. */
  tokens: number;
  /** Tokens that they would have charged for, had the cache not answered. */
  savedTokens: number;
  /** Attempts, failed ones included. */
  providerCalls: number;
  /** Texts in those attempts. */
  textsSent: number;
  /** Milliseconds that those attempts took together. */
  providerMs: number;
  /** Texts that shared their provider call with another, or joined one that was under way. */
  coalescedTexts: number;
  costUsd: number;
  costSavedUsd: number;
}

export interface Snapshot extends Figures {
  since: Date;
  /** Operations that are over, streams included. */
  operations: number;
  /** Those whose answer had errors. */
  failedOperations: number;
  /** Operations that were answered as a whole, and the milliseconds that they took together. */
  timedOperations: number;
  operationMs: number;
  /** Of operations that asked for texts and were answered as a whole. */
  latency: Percentiles;
  /** Fields and entries that failed, by code, the most frequent first. */
  errors: Array<{ code: ErrorCode; count: number }>;
  byModel: ModelFigures[];
}

export interface ModelFigures extends Figures {
  model: string;
}

type Tally = Omit<Figures, 'costUsd' | 'costSavedUsd' | 'hitsByTier'> & {
  hitsByTier: Map<string, number>;
  /** Of `tokens`, those that were charged at the price of batches. */
  batchTokens: number;
};

const emptyTally = (): Tally => ({
  generated: 0,
  cacheHits: 0,
  hitsByTier: new Map(),
  cacheMisses: 0,
  tokens: 0,
  batchTokens: 0,
  savedTokens: 0,
  providerCalls: 0,
  textsSent: 0,
  providerMs: 0,
  coalescedTexts: 0,
});

const emptyOperations = () => ({ operations: 0, failedOperations: 0, timedOperations: 0, operationMs: 0 });

/** USD for `tokens` of a model; a price that is not known counts as 0. */
export function costOf(tokens: number, spec: Pick<ModelSpec, 'costPer1kTokens'>): number {
  return (tokens * (spec.costPer1kTokens ?? 0)) / 1000;
}

/** The same for what is bought in the provider's batches. */
export function batchCostOf(
  tokens: number,
  { batchCostPer1kTokens }: Pick<ModelSpec, 'batchCostPer1kTokens'>,
): number {
  return costOf(tokens, { costPer1kTokens: batchCostPer1kTokens ?? null });
}

/**
 * Counts what the core does. Only whole numbers are added up, and money is worked out from them when
 * somebody asks, so that a million small costs lose nothing to rounding.
 */
export class Accounting implements EmbedderEvents, OperationEvents {
  #since = new Date();
  #tallies = new Map<string, Tally>();
  #operations = emptyOperations();
  #errors = new Map<ErrorCode, number>();
  readonly #latency = new LatencyHistogram();
  readonly #prices: ReadonlyMap<string, ModelSpec>;

  constructor(specs: readonly ModelSpec[]) {
    this.#prices = new Map(specs.map((spec) => [spec.name, spec]));
  }

  cacheHits(model: string, tier: string, texts: number, tokens: number): void {
    const tally = this.#tally(model);
    tally.cacheHits += texts;
    add(tally.hitsByTier, tier, texts);
    tally.savedTokens += tokens;
  }

  cacheMisses(model: string, texts: number): void {
    this.#tally(model).cacheMisses += texts;
  }

  joined(model: string, texts: number): void {
    this.#tally(model).coalescedTexts += texts;
  }

  computed(model: string, texts: number, tokens: number, _estimated = 0, inBatch = false): void {
    const tally = this.#tally(model);
    tally.generated += texts;
    tally.tokens += tokens;
    if (inBatch) tally.batchTokens += tokens;
    else if (texts > 1) tally.coalescedTexts += texts;
  }

  providerCall(call: ProviderCall): void {
    const tally = this.#tally(call.model);
    tally.providerCalls += 1;
    tally.textsSent += call.texts;
    tally.providerMs += call.seconds * 1000;
  }

  /** Nobody asked for it, so it is no text and no call; it is paid for. */
  canary({ model, tokens }: CanaryCall): void {
    if (tokens > 0) this.#tally(model).tokens += tokens;
  }

  operation({ type, outcome, ms, texts, errors }: OperationReport): void {
    const counts = this.#operations;
    counts.operations += 1;
    if (outcome === 'failed') counts.failedOperations += 1;
    // A stream takes as long as its client listens, which says nothing of the server.
    if (type !== 'subscription') {
      counts.timedOperations += 1;
      counts.operationMs += ms;
      if (texts > 0) this.#latency.add(ms);
    }
    for (const [code, count] of errors) this.#errors.set(code, (this.#errors.get(code) ?? 0) + count);
  }

  snapshot(): Snapshot {
    const byModel = [...this.#tallies].map(([model, tally]) => ({ model, ...this.#priced(model, tally) }));
    const hitsByTier = new Map<string, number>();
    const { batchTokens: _, ...nothing } = emptyTally();
    const total = { ...nothing, costUsd: 0, costSavedUsd: 0, hitsByTier };
    for (const { model: _, hitsByTier: hits, ...figures } of byModel) {
      for (const name of Object.keys(figures) as Array<keyof typeof figures>) total[name] += figures[name];
      for (const [tier, texts] of hits) add(hitsByTier, tier, texts);
    }
    return {
      ...total,
      since: this.#since,
      ...this.#operations,
      latency: this.#latency.percentiles(),
      errors: [...this.#errors]
        .map(([code, count]) => ({ code, count }))
        .sort((a, b) => b.count - a.count || a.code.localeCompare(b.code)),
      byModel,
    };
  }

  /** Starts again from nothing. @returns the figures until now. */
  reset(): Snapshot {
    const previous = this.snapshot();
    this.#tallies = new Map();
    this.#since = new Date();
    this.#operations = emptyOperations();
    this.#errors = new Map();
    this.#latency.reset();
    return previous;
  }

  #tally(model: string): Tally {
    let tally = this.#tallies.get(model);
    if (!tally) {
      tally = emptyTally();
      this.#tallies.set(model, tally);
    }
    return tally;
  }

  #priced(model: string, { batchTokens, ...tally }: Tally): Figures {
    const spec = this.#prices.get(model) ?? { costPer1kTokens: null, batchCostPer1kTokens: null };
    return {
      ...tally,
      hitsByTier: new Map(tally.hitsByTier),
      costUsd: costOf(tally.tokens - batchTokens, spec) + batchCostOf(batchTokens, spec),
      costSavedUsd: costOf(tally.savedTokens, spec),
    };
  }
}

function add(counts: Map<string, number>, name: string, count: number): void {
  counts.set(name, (counts.get(name) ?? 0) + count);
}
