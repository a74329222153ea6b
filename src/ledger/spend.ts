import type { Book } from './book-store.ts';
import { type Counter, counters, emptyTotals, picosPerUsd } from './row.ts';

/** What figures may be added up by. */
export const spendDimensions = ['DAY', 'MODEL', 'KEY', 'TAG'] as const;

/** One of them. */
export type SpendDimension = (typeof spendDimensions)[number];

/** A question to the books. */
export interface SpendQuery {
  /** UTC days, YYYY-MM-DD, both included. */
  readonly from: string;
  readonly to: string;
  readonly groupBy: readonly SpendDimension[];
  /** Only what was booked on the key of this name. Default: all there is. */
  readonly key?: string | undefined;
}

/** What was asked for, paid and saved. */
export interface Spend {
  /** Those that were not asked for, and a tag that was not given, are null. */
  readonly day: string | null;
  readonly model: string | null;
  readonly key: string | null;
  readonly tag: string | null;
  /** Texts that were asked for; those of them that the cache had, and those that a provider was paid for. */
  readonly texts: number;
  readonly hits: number;
  readonly computed: number;
  /** Tokens that providers charged for, and those of them that were estimated because the provider tells none. */
  readonly tokens: number;
  readonly tokensEstimated: number;
  readonly costUsd: number;
  /** What the hits would have cost. */
  readonly costSavedUsd: number;
  /** Seconds of these days that processes which died may have taken with them, of whatever row. */
  readonly lostSeconds: number;
  /** Whether the figures are kept where they can go. */
  readonly lossy: boolean;
}

interface Group {
  readonly names: readonly string[];
  readonly totals: Record<Counter, bigint>;
}

/** Adds up books, day by day. */
export class SpendSum {
  readonly #query: SpendQuery;
  readonly #groups = new Map<string, Group>();
  readonly #lostSeconds = new Map<string, number>();
  #isLossy = false;

  constructor(query: SpendQuery) {
    this.#query = { ...query, groupBy: spendDimensions.filter((one) => query.groupBy.includes(one)) };
  }

  /** Rows that there are by now. */
  get size(): number {
    return this.#groups.size;
  }

  add(day: string, { rows, lostSeconds, isDamaged }: Book, isLossy: boolean): void {
    if (isDamaged || isLossy) this.#isLossy = true;
    this.#lostSeconds.set(day, lostSeconds);
    for (const { name, totals } of rows) {
      if (this.#query.key !== undefined && name.key !== this.#query.key) continue;
      const names = [day, name.model, name.key, name.tag].map((part, i) =>
        this.#query.groupBy.includes(spendDimensions[i]!) ? part : '',
      );
      const id = JSON.stringify(names);
      let group = this.#groups.get(id);
      if (!group) {
        group = { names, totals: emptyTotals() };
        this.#groups.set(id, group);
      }
      for (const counter of counters) group.totals[counter] += totals[counter];
    }
  }

  /** In the order of day, model, key and tag. */
  result(): Spend[] {
    const byDay = this.#query.groupBy.includes('DAY');
    let allLost = 0;
    for (const seconds of this.#lostSeconds.values()) allLost += seconds;
    return [...this.#groups.values()]
      .sort((a, b) => compare(a.names, b.names))
      .map(({ names: [day, model, key, tag], totals }) => ({
        day: day || null,
        model: model || null,
        key: key || null,
        tag: tag || null,
        texts: Number(totals.texts),
        hits: Number(totals.hits),
        computed: Number(totals.computed),
        tokens: Number(totals.tokens),
        tokensEstimated: Number(totals.tokensEstimated),
        costUsd: Number(totals.cost) / picosPerUsd,
        costSavedUsd: Number(totals.saved) / picosPerUsd,
        lostSeconds: byDay ? (this.#lostSeconds.get(day!) ?? 0) : allLost,
        lossy: this.#isLossy,
      }));
  }
}

function compare(a: readonly string[], b: readonly string[]): number {
  for (const [i, name] of a.entries()) if (name !== b[i]) return name < b[i]! ? -1 : 1;
  return 0;
}
