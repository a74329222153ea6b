import type { Clock } from './clock.ts';
import type { BatchLimits } from './queue.ts';

/** Milliseconds for which no larger batch is tried than one that was accepted. */
const rememberMs = 60_000;

/** Told when a provider turns out to take less than its entry says. */
export type LimitLearned = (learned: BatchLimits) => void;

/**
 * What one call to a provider may carry: what the model's entry says, until the provider refuses that and accepts less.
 * After a minute one batch of the full size is tried again.
 */
export class BatchLimit {
  readonly #configured: BatchLimits;
  readonly #clock: Clock;
  readonly #onLearned: LimitLearned;
  #learned: BatchLimits | undefined;
  #triedAt = 0;

  constructor(configured: BatchLimits, clock: Clock, onLearned: LimitLearned) {
    this.#configured = configured;
    this.#clock = clock;
    this.#onLearned = onLearned;
  }

  /** What a batch may carry as far as is known. */
  get current(): BatchLimits {
    return this.#learned ?? this.#configured;
  }

  /** What the next batch may carry: now and then more than is known to be accepted, to find out. */
  next(): BatchLimits {
    if (!this.#learned || this.#clock.now() - this.#triedAt < rememberMs) return this.current;
    this.#triedAt = this.#clock.now();
    return this.#configured;
  }

  /** `batch` was refused, and all of its texts were accepted in parts, the largest of which was `accepted`. */
  refused(batch: BatchLimits, accepted: BatchLimits): void {
    this.#triedAt = this.#clock.now();
    const known = this.#learned;
    // What was accepted once is refused now: the provider takes even less.
    const outdated = known && batch.size <= known.size && batch.tokens <= known.tokens;
    // Batches that were refused at the same time each end with a part that was accepted: the largest of all counts.
    this.#learned =
      known && !outdated
        ? { size: Math.max(accepted.size, known.size), tokens: Math.max(accepted.tokens, known.tokens) }
        : accepted;
    if (!known) this.#onLearned(this.#learned);
  }

  /** A whole batch was accepted. One that is larger than what is known shows that the provider takes more again. */
  accepted(batch: BatchLimits): void {
    if (this.#learned && batch.size > this.#learned.size) this.#learned = undefined;
  }
}
