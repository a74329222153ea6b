import { type Clock, systemClock } from '../../core/clock.ts';
import { EmbedQLError, toEmbedQLError } from '../../core/errors.ts';

const firstPauseMs = 1_000;
const longestPauseMs = 60_000;

/**
 * Keeps what costs much and fails from being tried for every request: after a failure comes a pause of a second, doubled
 * with each further failure up to a minute, in which everybody gets that failure at once.
 */
export class Attempts {
  readonly #clock: Pick<Clock, 'now'>;
  #failure: EmbedQLError | undefined;
  #pauseMs = 0;
  #until = 0;

  constructor(clock: Pick<Clock, 'now'> = systemClock) {
    this.#clock = clock;
  }

  /** The failure that everybody gets at the moment; undefined where the next request will try. */
  get failure(): EmbedQLError | undefined {
    const leftMs = this.#until - this.#clock.now();
    if (this.#failure === undefined || leftMs <= 0) return undefined;
    const { code, message, retryable } = this.#failure;
    return new EmbedQLError(code, message, {
      retryable,
      ...(retryable ? { retryAfterMs: Math.ceil(leftMs) } : {}),
      cause: this.#failure,
    });
  }

  /** @throws EmbedQLError the last failure, with the time that is left of its pause */
  check(): void {
    const { failure } = this;
    if (failure) throw failure;
  }

  /** Begins a pause. @returns the failure as everybody will get it */
  failed(error: unknown): EmbedQLError {
    this.#failure = toEmbedQLError(error);
    this.#pauseMs = Math.min(longestPauseMs, Math.max(firstPauseMs, 2 * this.#pauseMs));
    this.#until = this.#clock.now() + this.#pauseMs;
    return this.#failure;
  }

  succeeded(): void {
    this.#failure = undefined;
    this.#pauseMs = 0;
  }
}
