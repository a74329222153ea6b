import {
  BrokenCircuitError,
  type CircuitBreakerPolicy,
  ConsecutiveBreaker,
  circuitBreaker,
  DelegateBackoff,
  handleWhen,
  type IRetryBackoffContext,
  retry,
  TaskCancelledError,
  TimeoutStrategy,
  timeout,
} from 'cockatiel';
import type { Batches } from '../../core/batches.ts';
import { EmbedQLError, ServerFailedError, toEmbedQLError } from '../../core/errors.ts';
import type { EmbedderEvents } from '../../core/events.ts';
import type {
  EmbedCallOptions,
  EmbeddedText,
  EmbeddingModel,
  FittedText,
  ModelSpec,
  ModelStatus,
} from '../../core/model.ts';
import type { Log } from '../../core/surroundings.ts';
import type { ProviderCallOptions } from '../provider.ts';
import { AdaptiveLimit } from './adaptive-limit.ts';
import { type CheckedModel, isAbort } from './checked-model.ts';
import { reportCall } from './counted-model.ts';
import { Pause } from './pause.ts';

export interface ReliabilityOptions {
  /** Calls in flight at the same time. */
  concurrency: number;
  /** Milliseconds that one attempt may take. */
  timeoutMs: number;
  /** Attempts after the first. */
  retries: number;
  /** Milliseconds that an open circuit breaker waits before it tries again. */
  breakerMs: number;
}

/** Failures in a row after which a provider counts as down. More than one call with its retries. */
const failuresThatOpen = 8;

/** The longest wait before the second attempt; doubled for each further one. */
const firstBackoffMs = 200;
const longestBackoffMs = 8_000;

/** The pause after a 429 that names none, doubled for each further one: longer than after a failure. */
const firstPauseMs = 1_000;
const longestPauseMs = 60_000;

/** The longest pause that a provider can ask for (contract, "retryAfterMs"). */
const longestRetryAfterMs = 15 * 60_000;

/**
 * A remote model made dependable: each attempt is limited in time, failures that may pass are tried again
 * with full jitter, a provider that asks for a pause gets it from every batch, one that is down is left
 * alone for a while, and one that is asked too much is asked less.
 */
export class ReliableModel implements EmbeddingModel {
  readonly spec: ModelSpec;
  /** What one operation waits at the most, in milliseconds. */
  readonly deadlineMs: number;
  readonly #model: CheckedModel;
  readonly #options: ReliabilityOptions;
  readonly #events: EmbedderEvents;
  readonly #pause = new Pause();
  readonly #limit: AdaptiveLimit;
  readonly #breaker: CircuitBreakerPolicy;
  /** Failures that say nothing of the provider as a whole. */
  readonly #blameless = new WeakSet<Error>();
  /** 429s since the last success, and when the last of them came. */
  #refusedInARow = 0;
  #refusedAt = 0;
  /** There has been a pause, and nobody has called since. */
  #untested = false;
  /** The one call that tries again after a pause; the others wait for what becomes of it. */
  #probe: Promise<void> | undefined;

  constructor(model: CheckedModel, options: ReliabilityOptions, events: EmbedderEvents, log: Log) {
    this.spec = model.spec;
    this.deadlineMs = options.timeoutMs * (options.retries + 1);
    this.#model = model;
    this.#options = options;
    this.#events = events;
    this.#limit = new AdaptiveLimit(
      Math.min(options.concurrency, model.maxConcurrency ?? options.concurrency),
    );
    this.#breaker = circuitBreaker(
      handleWhen((error) => isOutage(error) && !this.#blameless.has(error)),
      {
        halfOpenAfter: options.breakerMs,
        breaker: new ConsecutiveBreaker(failuresThatOpen),
      },
    );
    const { name } = model.spec;
    this.#breaker.onBreak(() =>
      log.warn({ model: name, breakerMs: options.breakerMs }, 'provider is down; calls to it are paused'),
    );
    this.#breaker.onReset(() => log.info({ model: name }, 'provider is back'));
  }

  get distinguishesKinds(): boolean {
    return this.#model.distinguishesKinds === true;
  }

  /** Whoever has texts in batches has time, and tries again by itself. */
  get batches(): Batches | undefined {
    return this.#model.batches;
  }

  get concurrency(): number {
    return this.#limit.current;
  }

  status(): ModelStatus {
    return this.#model.status();
  }

  identity(): Promise<string> {
    return this.#model.identity();
  }

  fit(texts: readonly string[]): Promise<FittedText[]> {
    return this.#model.fit(texts);
  }

  countTokens(texts: readonly string[], atMost?: number): Promise<number[]> {
    return this.#model.countTokens(texts, atMost);
  }

  async embed(
    texts: readonly string[],
    { retryServerFailures = true, kind = 'doc' }: EmbedCallOptions = {},
  ): Promise<EmbeddedText[]> {
    const endsAt = performance.now() + this.deadlineMs;
    const deadline = AbortSignal.timeout(this.deadlineMs);
    const mayRetry = (error: Error) =>
      error instanceof EmbedQLError &&
      error.retryable &&
      (retryServerFailures || !(error instanceof ServerFailedError)) &&
      performance.now() + this.#pause.remainingMs < endsAt;
    const retrying = retry(handleWhen(mayRetry), {
      maxAttempts: this.#options.retries,
      backoff: new DelegateBackoff((context: IRetryBackoffContext<unknown>) =>
        Math.max(this.#pause.remainingMs, jitter(context.attempt)),
      ),
    });
    let attempts = 0;
    try {
      return await retrying.execute(async () => {
        const probeEnds = await this.#pauseOver(endsAt, deadline);
        attempts += 1;
        try {
          return await this.#breaker.execute(() => this.#attempt(texts, { kind }, attempts, deadline));
        } finally {
          probeEnds?.();
        }
      });
    } catch (error) {
      throw withRetryAfter(this.#explain(error), this.#pause.remainingMs);
    }
  }

  close(): Promise<void> {
    return this.#model.close();
  }

  /**
   * Waits as long as the provider has asked for, unless that is longer than anybody will wait.
   * @returns for the one call that tries first after a pause: what to call when it is over; the others wait for that
   */
  async #pauseOver(endsAt: number, deadline: AbortSignal): Promise<(() => void) | undefined> {
    for (;;) {
      const retryAfterMs = Math.ceil(this.#pause.remainingMs);
      if (performance.now() + retryAfterMs >= endsAt) {
        throw new EmbedQLError(
          'RATE_LIMITED',
          `The provider of ${this.spec.name} asks for a pause; try again in ${Math.ceil(retryAfterMs / 1000)} s.`,
          { retryable: true, retryAfterMs },
        );
      }
      if (retryAfterMs > 0) await this.#pause.over(deadline);
      else if (this.#probe) await this.#probe;
      else return this.#untested ? this.#beginProbe() : undefined;
    }
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

  async #attempt(
    texts: readonly string[],
    call: ProviderCallOptions,
    attempts: number,
    deadline: AbortSignal,
  ): Promise<EmbeddedText[]> {
    const started = performance.now();
    const report = reportCall(this.#events, { model: this.spec.name, texts: texts.length });
    try {
      const limited = timeout(this.#options.timeoutMs, TimeoutStrategy.Aggressive);
      const embedded = await limited.execute(
        ({ signal }) => this.#model.embed(texts, signal, call),
        deadline,
      );
      report('ok');
      this.#limit.succeeded();
      this.#refusedInARow = 0;
      return embedded;
    } catch (error) {
      const failure = withinReason(this.#explain(error));
      report(failure.code);
      // One text can be why a server fails with 500; that must not take the model from everybody else.
      if (failure instanceof ServerFailedError && !failure.isOutage && (texts.length === 1 || attempts > 1))
        this.#blameless.add(failure);
      if (failure.code === 'RATE_LIMITED') {
        this.#limit.tooMany();
        this.#beginPause(failure.retryAfterMs ?? this.#pauseMs(started));
      } else if (failure.retryAfterMs !== undefined) this.#beginPause(failure.retryAfterMs);
      throw failure;
    }
  }

  #beginPause(ms: number): void {
    if (ms <= 0) return;
    this.#pause.extend(ms);
    this.#untested = true;
  }

  /** How long nobody calls after a 429 that does not say. Calls that were refused together count once. */
  #pauseMs(started: number): number {
    if (started < this.#refusedAt) return 0;
    this.#refusedAt = performance.now();
    const pauseMs = Math.min(longestPauseMs, firstPauseMs * 2 ** this.#refusedInARow++);
    return pauseMs * (0.5 + Math.random() / 2);
  }

  #explain(error: unknown): EmbedQLError {
    const { name } = this.spec;
    if (error instanceof BrokenCircuitError) {
      return new EmbedQLError(
        'PROVIDER_ERROR',
        `The provider of ${name} failed many times in a row, so calls to it are paused; try again later.`,
        { retryable: true, retryAfterMs: this.#options.breakerMs },
      );
    }
    if (error instanceof TaskCancelledError || isAbort(error)) {
      return new EmbedQLError(
        'PROVIDER_TIMEOUT',
        `The provider of ${name} did not answer in time; try again, or raise timeoutMs.`,
        { hint: 'timeoutMs' },
      );
    }
    return toEmbedQLError(error);
  }
}

/** Failures of the provider as a whole: out of reach, out of time, out of order. */
function isOutage(error: Error): boolean {
  return error instanceof EmbedQLError && error.retryable && error.code !== 'RATE_LIMITED';
}

/** No pause that a provider asks for is longer than anybody can mean. */
function withinReason(error: EmbedQLError): EmbedQLError {
  const { retryAfterMs } = error;
  if (retryAfterMs === undefined || retryAfterMs <= longestRetryAfterMs) return error;
  const details = { retryable: error.retryable, retryAfterMs: longestRetryAfterMs, cause: error };
  return error instanceof ServerFailedError
    ? new ServerFailedError(error.message, error.isOutage, details)
    : new EmbedQLError(error.code, error.message, details);
}

/** Full jitter: anything between nothing and the doubled wait. @param attempt from 1. */
function jitter(attempt: number): number {
  return Math.random() * Math.min(longestBackoffMs, firstBackoffMs * 2 ** (attempt - 1));
}

/** RATE_LIMITED always says when to come back. */
function withRetryAfter(error: EmbedQLError, pauseMs: number): EmbedQLError {
  if (error.code !== 'RATE_LIMITED' || error.retryAfterMs !== undefined) return error;
  const retryAfterMs = Math.ceil(Math.max(pauseMs, 1_000));
  return new EmbedQLError(error.code, error.message, {
    retryable: error.retryable,
    retryAfterMs,
    ...(error.hint ? { hint: error.hint } : {}),
    cause: error,
  });
}
