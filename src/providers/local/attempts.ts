import { EmbedQLError, toEmbedQLError } from '../../core/errors.ts';

const firstPauseMs = 1_000;
const longestPauseMs = 60_000;

/**
 * Keeps what costs much and fails from being tried for every request: after a failure comes a pause of a second, doubled
 * with each further failure up to a minute, in which everybody gets that failure at once.
 */
export class Attempts {
  readonly #now: () => number;
  #failure: EmbedQLError | undefined;
  #pauseMs = 0;
  #until = 0;

  /** @param now a clock in milliseconds that never goes back */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** @throws EmbedQLError the last failure, with the time that is left of its pause */
  check(): void {
    const leftMs = this.#until - this.#now();
    if (this.#failure === undefined || leftMs <= 0) return;
    const { code, message, retryable } = this.#failure;
    throw new EmbedQLError(code, message, {
      retryable,
      ...(retryable ? { retryAfterMs: Math.ceil(leftMs) } : {}),
      cause: this.#failure,
    });
  }

  /** Begins a pause. @returns the failure as everybody will get it */
  failed(error: unknown): EmbedQLError {
    this.#failure = toEmbedQLError(error);
    this.#pauseMs = Math.min(longestPauseMs, Math.max(firstPauseMs, 2 * this.#pauseMs));
    this.#until = this.#now() + this.#pauseMs;
    return this.#failure;
  }

  succeeded(): void {
    this.#failure = undefined;
    this.#pauseMs = 0;
  }
}
