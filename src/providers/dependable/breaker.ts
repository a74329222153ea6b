import type { Clock } from '../../core/clock.ts';

export interface BreakerOptions {
  readonly clock: Clock;
  /** Failures in a row after which it opens, as things stand. */
  failures(): number;
  /** Milliseconds that it stays open; then one call tries. */
  readonly openMs: number;
  onOpen(): void;
  onClose(): void;
}

/**
 * What a call was for the breaker: `alive` is a failure that only a service which works can give, `doubtful` one that may be
 * about what was sent. Of those it takes many, with no success among them.
 */
export type Outcome = 'ok' | 'alive' | 'failed' | 'doubtful' | 'says nothing';

/** Doubtful failures that count as one. */
const doubtfulOfOne = 8;

/** The breaker is open, and nobody calls. */
export class OpenError extends Error {
  override readonly name = 'OpenError';
}

/**
 * Leaves a service alone that has failed so often in a row. When its time is over one call tries, the others wait for what
 * becomes of it. Written here, since no library's keeps the time of the core's clock.
 */
export class Breaker {
  readonly #options: BreakerOptions;
  #inARow = 0;
  /** When one may try again; undefined while it is closed. */
  #opensAt: number | undefined;
  #trial: Promise<void> | undefined;

  constructor(options: BreakerOptions) {
    this.#options = options;
  }

  /** Whether calls go through as ever; not while it is open, nor while one tries. */
  get isClosed(): boolean {
    return this.#opensAt === undefined;
  }

  /** Milliseconds until one may try. */
  get remainingMs(): number {
    return Math.max(0, (this.#opensAt ?? 0) - this.#options.clock.now());
  }

  /** Makes a call, unless it is open. @param judge what an error says of the service. @throws OpenError */
  async run<Result>(call: () => Promise<Result>, judge: (error: unknown) => Outcome): Promise<Result> {
    while (this.#trial) await this.#trial;
    if (this.#opensAt === undefined) return this.#watched(call, judge);
    if (this.remainingMs > 0) throw new OpenError('The circuit breaker is open.');
    const trial = this.#watched(call, judge);
    this.#trial = trial.then(
      () => {},
      () => {},
    );
    try {
      return await trial;
    } finally {
      this.#trial = undefined;
    }
  }

  /** Tells what a call has shown that was made without it. */
  tell(outcome: Outcome): void {
    if (outcome === 'says nothing') return;
    if (outcome === 'failed' || outcome === 'doubtful') {
      this.#failed(outcome === 'failed' ? 1 : 1 / doubtfulOfOne);
      return;
    }
    if (outcome === 'ok') this.#inARow = 0;
    if (this.#opensAt === undefined) return;
    this.#opensAt = undefined;
    this.#inARow = 0;
    this.#options.onClose();
  }

  async #watched<Result>(call: () => Promise<Result>, judge: (error: unknown) => Outcome): Promise<Result> {
    let result: Result;
    try {
      result = await call();
    } catch (error) {
      this.tell(judge(error));
      throw error;
    }
    this.tell('ok');
    return result;
  }

  #failed(weight: number): void {
    this.#inARow += weight;
    const { clock, failures, openMs, onOpen } = this.#options;
    const wasClosed = this.#opensAt === undefined;
    if (wasClosed && this.#inARow < failures()) return;
    // Calls that were under way when it opened do not prolong it; the one that tried does.
    if (!wasClosed && this.remainingMs > 0) return;
    this.#opensAt = clock.now() + openMs;
    if (wasClosed) onOpen();
  }
}
