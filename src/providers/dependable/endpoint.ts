import { type Clock, sleep } from '../../core/clock.ts';
import { EmbedQLError, ServerFailedError } from '../../core/errors.ts';
import type { EmbeddedText } from '../../core/model.ts';
import type { ProviderCallOptions } from '../provider.ts';
import { AdaptiveLimit } from './adaptive-limit.ts';
import { Breaker, type Outcome } from './breaker.ts';
import type { CheckedModel } from './checked-model.ts';
import { explain, isOutage, timedOut } from './failures.ts';
import { Pause } from './pause.ts';

/** The pause after a 429 that names none, doubled for each further one: longer than after a failure. */
const firstPauseMs = 1_000;
const longestPauseMs = 60_000;

export interface EndpointOptions {
  readonly name: string;
  /** How much of the work is its, in proportion to the others'. */
  readonly weight: number;
  readonly model: CheckedModel;
  readonly clock: Clock;
  /** Calls that it may have in flight. */
  readonly concurrency: number;
  /** Failures in a row after which it counts as down, as things stand. */
  failures(): number;
  readonly breakerMs: number;
  onOpen(): void;
  onClose(): void;
}

/** One attempt. */
export interface Attempt extends ProviderCallOptions {
  readonly texts: readonly string[];
  /** Milliseconds that it may take. */
  readonly timeoutMs: number;
}

/** One place that serves a model, and all that is known of how it is. */
export class Endpoint {
  readonly name: string;
  readonly weight: number;
  readonly model: CheckedModel;
  readonly pause: Pause;
  readonly breaker: Breaker;
  readonly limit: AdaptiveLimit;
  /** Calls in flight. */
  inFlight = 0;
  /** Tokens in them. */
  outstanding = 0;
  /** Tokens that it has been given, in proportion to its weight. */
  served = 0;
  /** Whether it got nothing for a while. */
  wasAway = false;
  readonly #clock: Clock;
  /** 429s since the last success, and when the last of them came. */
  #refusedInARow = 0;
  #refusedAt = Number.NEGATIVE_INFINITY;
  /** There has been a pause, and nobody has called since. */
  #untested = false;
  /** The one call that tries again after a pause; the others wait for what becomes of it. */
  #probe: Promise<void> | undefined;

  constructor(options: EndpointOptions) {
    const { name, weight, model, clock, failures, breakerMs: openMs, onOpen, onClose } = options;
    this.name = name;
    this.weight = weight;
    this.model = model;
    this.#clock = clock;
    this.pause = new Pause(clock);
    this.limit = new AdaptiveLimit(
      Math.min(options.concurrency, model.maxConcurrency ?? options.concurrency),
    );
    this.breaker = new Breaker({ clock, failures, openMs, onOpen, onClose });
  }

  /** Takes note of a call before anything waits. @returns what to do when it is over */
  begin(tokens: number): () => void {
    this.inFlight += 1;
    this.outstanding += tokens;
    this.served += tokens / this.weight;
    return () => {
      this.inFlight -= 1;
      this.outstanding -= tokens;
    };
  }

  /**
   * One attempt: limited in time, and judged. @throws EmbedQLError, or OpenError while its breaker is open
   * @param report told what came of it
   */
  attempt(attempt: Attempt, report: (outcome: 'ok' | EmbedQLError['code']) => void): Promise<EmbeddedText[]> {
    return this.breaker.run(
      async () => {
        const started = this.#clock.now();
        try {
          const embedded = await this.#limited(attempt);
          report('ok');
          this.limit.succeeded();
          this.#refusedInARow = 0;
          return embedded;
        } catch (error) {
          const failure = explain(error, this.model.spec.name);
          report(failure.code);
          this.#keepPause(failure, started);
          throw failure;
        }
      },
      (error) => outcomeOf(error, attempt),
    );
  }

  /**
   * Waits as long as the provider has asked for, unless that is longer than anybody will wait.
   * @returns for the one call that tries first after a pause: what to call when it is over; the others wait for that
   */
  async pauseOver(endsAt: number): Promise<(() => void) | undefined> {
    for (;;) {
      const retryAfterMs = Math.ceil(this.pause.remainingMs);
      if (this.#clock.now() + retryAfterMs >= endsAt) throw pausing(this.model.spec.name, retryAfterMs);
      // It may be extended meanwhile.
      if (retryAfterMs > 0) await sleep(this.#clock, retryAfterMs);
      else if (this.#probe) await this.#probe;
      else return this.#untested ? this.#beginProbe() : undefined;
    }
  }

  /** The pause is over, and what tested that was not a call. */
  tested(): void {
    this.#untested = false;
  }

  async #limited({ texts, kind, timeoutMs }: Attempt): Promise<EmbeddedText[]> {
    const given = new AbortController();
    let giveUp: (error: Error) => void = () => {};
    const tooLate = new Promise<never>((_, reject) => {
      giveUp = reject;
    });
    const timer = this.#clock.after(timeoutMs, () => {
      giveUp(timedOut(this.model.spec.name));
      given.abort();
    });
    try {
      return await Promise.race([this.model.embed(texts, given.signal, { kind }), tooLate]);
    } finally {
      timer.cancel();
    }
  }

  #keepPause(failure: EmbedQLError, started: number): void {
    if (failure.code === 'RATE_LIMITED') {
      this.limit.tooMany();
      this.#beginPause(failure.retryAfterMs ?? this.#pauseMs(started));
    } else if (failure.retryAfterMs !== undefined) this.#beginPause(failure.retryAfterMs);
  }

  #beginPause(ms: number): void {
    if (ms <= 0) return;
    this.pause.extend(ms);
    this.#untested = true;
  }

  /** How long nobody calls after a 429 that does not say. Calls that were refused together count once. */
  #pauseMs(started: number): number {
    if (started < this.#refusedAt) return 0;
    this.#refusedAt = this.#clock.now();
    const pauseMs = Math.min(longestPauseMs, firstPauseMs * 2 ** this.#refusedInARow++);
    return pauseMs * (0.5 + this.#clock.random() / 2);
  }

  #beginProbe(): () => void {
    this.#untested = false;
    let end: () => void = () => {};
    this.#probe = new Promise((resolve) => {
      end = () => {
        this.#probe = undefined;
        resolve();
      };
    });
    return end;
  }
}

/** Nobody will wait as long as the provider asks for. */
export function pausing(name: string, retryAfterMs: number): EmbedQLError {
  return new EmbedQLError(
    'RATE_LIMITED',
    `The provider of ${name} asks for a pause; try again in ${Math.ceil(retryAfterMs / 1000)} s.`,
    { retryable: true, retryAfterMs },
  );
}

/**
 * One text can be why a server fails with 500; alone it says nothing of the server, and must not take the model from
 * everybody else. Of several any may be the one, or all of them fail because the server is down.
 */
function outcomeOf(error: unknown, { texts }: Attempt): Outcome {
  if (!(error instanceof EmbedQLError)) return 'says nothing';
  if (error instanceof ServerFailedError && !error.isOutage)
    return texts.length > 1 ? 'doubtful' : 'says nothing';
  return isOutage(error) ? 'failed' : 'alive';
}
