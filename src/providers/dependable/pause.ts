import { setTimeout as sleep } from 'node:timers/promises';

/**
 * The longest that is believed: a service that says more is asked again meanwhile. (A timer of more than 2^31 ms ends at once.)
 */
const longestMs = 3_600_000;

/** A time in which a provider has asked not to be called, shared by all calls to one model. */
export class Pause {
  #until = 0;

  /** Milliseconds that are left of it. */
  get remainingMs(): number {
    return Math.max(0, this.#until - performance.now());
  }

  /** Nobody calls for the next `ms`; never shortens what was asked before. */
  extend(ms: number): void {
    this.#until = Math.max(this.#until, performance.now() + Math.min(longestMs, ms || 0));
  }

  /** Waits it out, however often it is extended meanwhile. @throws when `signal` aborts. */
  async over(signal: AbortSignal): Promise<void> {
    while (this.remainingMs > 0) await sleep(Math.ceil(this.remainingMs), undefined, { signal });
  }
}
