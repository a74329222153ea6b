/** Texts that are asked for about equally often. */
interface Bucket {
  readonly texts: number;
  /** How likely a request is for one of them. */
  readonly share: number;
}

/** Ranks that are looked at one by one; behind them in groups, each 2 % wider than the last. */
const exactRanks = 1_000;
const growth = 1.02;

/** How often each text of a corpus is asked for: the text of rank r in proportion to r^-exponent. */
export class Zipf {
  readonly #buckets: readonly Bucket[];

  /** @param texts different ones @param exponent 0: all alike; 1: as words of a language */
  constructor(texts: number, exponent: number) {
    const weights: Array<{ texts: number; weight: number }> = [];
    for (let rank = 1; rank <= Math.min(texts, exactRanks); rank++)
      weights.push({ texts: 1, weight: rank ** -exponent });
    for (let from = exactRanks + 1; from <= texts; ) {
      const to = Math.min(texts, Math.floor(from * growth));
      weights.push({ texts: to - from + 1, weight: ((from + to) / 2) ** -exponent });
      from = to + 1;
    }
    const sum = weights.reduce((all, { texts, weight }) => all + texts * weight, 0);
    this.#buckets = weights.map(({ texts, weight }) => ({ texts, share: weight / sum }));
  }

  /** Adds up over all texts. @param of what a text adds, from how likely a request is for it */
  sum(of: (share: number) => number): number {
    return this.#buckets.reduce((all, { texts, share }) => all + texts * of(share), 0);
  }
}
