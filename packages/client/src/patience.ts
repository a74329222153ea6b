import { EmbedError } from './errors.ts';
import { type AbortSignalLike, cancellation, now } from './runtime.ts';
import type { Transport } from './transport.ts';
import { shownUrl } from './url.ts';

/** As long as a server with default settings goes on trying its provider. */
const defaultTimeoutMs = 120_000;

/** Who has the wrong port should not have to wait for minutes to hear of it. */
const firstContactMs = 10_000;

const firstWaitMs = 200;
const longestWaitMs = 5_000;

/** How long texts are tried again, and what is waited between two tries. */
export class Patience {
  readonly #transport: Pick<Transport, 'url' | 'reached'>;
  readonly #timeoutMs: number | undefined;
  #since = now();
  #tries = 0;

  /** @param timeoutMs as a user gave it */
  constructor(transport: Pick<Transport, 'url' | 'reached'>, timeoutMs: number | undefined) {
    this.#transport = transport;
    this.#timeoutMs = timeoutMs;
  }

  /** There has been progress: what comes next has all the time again. */
  renew(): void {
    this.#since = now();
    this.#tries = 0;
  }

  /** Takes off what was not spent waiting for the server. */
  excuse(ms: number): void {
    this.#since += ms;
  }

  /** Whether it makes sense to try again after this error. */
  allows(error: EmbedError): boolean {
    return (
      error.retryable && this.#spent() + (error.retryAfterMs ?? this.#backoff() / 2) < this.#limit(error)
    );
  }

  /** Milliseconds to wait before the next try; at least what the server asks for, and not the same for every client. */
  nextWait(errors: readonly EmbedError[]): number {
    const asked = Math.max(0, ...errors.map(({ retryAfterMs }) => retryAfterMs ?? 0));
    const backoff = this.#backoff() * (0.5 + Math.random() / 2);
    this.#tries++;
    return asked === 0 ? backoff : asked + Math.random() * Math.min(backoff, asked / 4);
  }

  /** Milliseconds that are left for an answer. */
  remaining(): number {
    return Math.max(0, (this.#timeoutMs ?? defaultTimeoutMs) - this.#spent());
  }

  /** Why no answer came. */
  timeout(): EmbedError {
    const seconds = (this.#timeoutMs ?? defaultTimeoutMs) / 1_000;
    return new EmbedError(
      'TIMEOUT',
      `${shownUrl(this.#transport.url)} did not answer within ${seconds} s; raise timeoutMs, or send less at once.`,
      { retryable: true },
    );
  }

  /** Runs something that has to end within the time that is left. */
  async limit<T>(signal: AbortSignalLike, run: (signal: AbortSignalLike) => Promise<T>): Promise<T> {
    const cancel = cancellation(signal);
    cancel.abortAfter(this.remaining(), this.timeout());
    try {
      return await run(cancel.signal);
    } finally {
      cancel.release();
    }
  }

  #spent(): number {
    return now() - this.#since;
  }

  #backoff(): number {
    return Math.min(longestWaitMs, firstWaitMs * 2 ** this.#tries);
  }

  #limit({ code }: EmbedError): number {
    if (this.#timeoutMs !== undefined) return this.#timeoutMs;
    return code === 'NETWORK' && !this.#transport.reached ? firstContactMs : defaultTimeoutMs;
  }
}
