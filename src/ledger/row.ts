/** What a row is about. */
export interface RowName {
  readonly model: string;
  /** The name of the key. */
  readonly key: string;
  /** What the client called its operations; empty for nothing. */
  readonly tag: string;
  /** The job whose batches brought it: what has been booked for that can be found again. */
  readonly job?: string | undefined;
}

/** What is counted in each row, in the order in which it is written. */
export const counters = ['texts', 'hits', 'computed', 'tokens', 'tokensEstimated', 'cost', 'saved'] as const;

/** One of them. */
export type Counter = (typeof counters)[number];

/** All of a row: whole numbers, money in picos. */
export type Totals = Readonly<Record<Counter, bigint>>;

/** Money is counted in whole trillionths of a dollar: a token of every price that there is, and half of it, is whole. */
export const picosPerUsd = 1e12;

/** Past this an amount of money moves into a BigInt, long before a number loses its last digit. */
const carryAt = 2 ** 50;

/** One row of the books of a day, as it grows. Adding to it costs an addition. */
export class Row implements RowName {
  readonly model: string;
  readonly key: string;
  readonly tag: string;
  readonly job: string | undefined;
  /** How it is called where it is written. */
  readonly name: string;
  texts = 0;
  hits = 0;
  computed = 0;
  tokens = 0;
  /** Of the tokens, those that no provider has told. */
  tokensEstimated = 0;
  /** Whether it has changed since it was last written. */
  isChanged = false;
  #cost = 0;
  #saved = 0;
  #costCarried = 0n;
  #savedCarried = 0n;

  constructor({ model, key, tag, job }: RowName) {
    this.model = model;
    this.key = key;
    this.tag = tag;
    this.job = job;
    this.name = nameRow({ model, key, tag, job });
  }

  addCost(usd: number): void {
    this.#cost += Math.round(usd * picosPerUsd);
    if (this.#cost < carryAt) return;
    this.#costCarried += BigInt(this.#cost);
    this.#cost = 0;
  }

  addSaved(usd: number): void {
    this.#saved += Math.round(usd * picosPerUsd);
    if (this.#saved < carryAt) return;
    this.#savedCarried += BigInt(this.#saved);
    this.#saved = 0;
  }

  totals(): Totals {
    return {
      texts: BigInt(this.texts),
      hits: BigInt(this.hits),
      computed: BigInt(this.computed),
      tokens: BigInt(this.tokens),
      tokensEstimated: BigInt(this.tokensEstimated),
      cost: this.#costCarried + BigInt(this.#cost),
      saved: this.#savedCarried + BigInt(this.#saved),
    };
  }
}

/** One text that stands for a row, whatever is in its parts. */
export function nameRow({ model, key, tag, job }: RowName): string {
  return JSON.stringify(job === undefined ? [model, key, tag] : [model, key, tag, job]);
}

/** @returns undefined for what names no row: it came from outside */
export function readRowName(name: string): RowName | undefined {
  try {
    const parts: unknown = JSON.parse(name);
    if (!Array.isArray(parts) || parts.length < 3 || parts.length > 4) return undefined;
    if (!parts.every((part) => typeof part === 'string')) return undefined;
    const [model, key, tag, job] = parts as [string, string, string, string?];
    return job === undefined ? { model, key, tag } : { model, key, tag, job };
  } catch {
    return undefined;
  }
}

/** A count that came from outside; 0 for what is none. */
export function readCount(text: unknown): bigint {
  return typeof text === 'string' && /^\d{1,30}$/.test(text) ? BigInt(text) : 0n;
}

/** Two amounts of everything. */
export function addTotals(a: Totals | undefined, b: Totals): Totals {
  if (!a) return b;
  return Object.fromEntries(counters.map((counter) => [counter, a[counter] + b[counter]])) as Totals;
}

export const emptyTotals = (): Record<Counter, bigint> =>
  Object.fromEntries(counters.map((counter) => [counter, 0n])) as Record<Counter, bigint>;
