/** Buckets for each doubling: a bucket is 2.2 % wide. */
const bucketsPerDoubling = 32;

/** Milliseconds of the shortest and the longest that are told apart: 0.01 ms, and 12 minutes. */
const shortestMs = 0.01;
const doublings = 26;

/** Percentiles in milliseconds; 0 where nothing was measured. */
export interface Percentiles {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  /** How many were measured. */
  readonly count: number;
}

/**
 * How long things took, as a histogram with buckets that grow with what they hold, as HdrHistogram has it: any percentile to
 * about a hundredth of itself, in 3 kB, and an addition for each measurement.
 */
export class LatencyHistogram {
  readonly #counts = new Float64Array(doublings * bucketsPerDoubling + 1);
  #count = 0;

  /** @param ms anything below 0.01 counts as 0.01 */
  add(ms: number): void {
    const doubled = ms > shortestMs ? Math.log2(ms / shortestMs) : 0;
    const bucket = Math.min(Math.ceil(doubled * bucketsPerDoubling), this.#counts.length - 1);
    this.#counts[bucket] = this.#counts[bucket]! + 1;
    this.#count += 1;
  }

  percentiles(): Percentiles {
    return { p50: this.#at(0.5), p95: this.#at(0.95), p99: this.#at(0.99), count: this.#count };
  }

  reset(): void {
    this.#counts.fill(0);
    this.#count = 0;
  }

  /** The middle of the bucket that the one at this place of all is in. */
  #at(share: number): number {
    if (this.#count === 0) return 0;
    let left = Math.ceil(share * this.#count);
    const bucket = this.#counts.findIndex((count) => {
      left -= count;
      return left <= 0;
    });
    const ms = shortestMs * 2 ** ((bucket - 0.5) / bucketsPerDoubling);
    return Number(ms.toPrecision(3));
  }
}
