import type { Clock } from '../../core/clock.ts';

/**
 * The longest that is believed: a service that says more is asked again meanwhile. (A timer of more than 2^31 ms ends at once.)
 */
const longestMs = 3_600_000;

/** A time in which a provider has asked not to be called, shared by all calls to one endpoint. */
export class Pause {
  readonly #clock: Clock;
  #until = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Milliseconds that are left of it. */
  get remainingMs(): number {
    return Math.max(0, this.#until - this.#clock.now());
  }

  /** Nobody calls for the next `ms`; never shortens what was asked before. */
  extend(ms: number): void {
    this.#until = Math.max(this.#until, this.#clock.now() + Math.min(longestMs, ms || 0));
  }
}
