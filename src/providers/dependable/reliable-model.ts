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
import { EmbedQLError, toEmbedQLError } from '../../core/errors.ts';
import type { EmbedderEvents } from '../../core/events.ts';
import type { EmbeddedText, EmbeddingModel, FittedText, ModelSpec, ModelStatus } from '../../core/model.ts';
import type { Log } from '../../core/surroundings.ts';
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

  constructor(model: CheckedModel, options: ReliabilityOptions, events: EmbedderEvents, log: Log) {
    this.spec = model.spec;
    this.deadlineMs = options.timeoutMs * (options.retries + 1);
    this.#model = model;
    this.#options = options;
    this.#events = events;
    this.#limit = new AdaptiveLimit(options.concurrency);
    this.#breaker = circuitBreaker(handleWhen(isOutage), {
      halfOpenAfter: options.breakerMs,
      breaker: new ConsecutiveBreaker(failuresThatOpen),
    });
    const { name } = model.spec;
    this.#breaker.onBreak(() =>
      log.warn({ model: name, breakerMs: options.breakerMs }, 'provider is down, not asked for a while'),
    );
    this.#breaker.onReset(() => log.info({ model: name }, 'provider is back'));
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

  countTokens(texts: readonly string[]): Promise<number[]> {
    return this.#model.countTokens(texts);
  }

  async embed(texts: readonly string[]): Promise<EmbeddedText[]> {
    const endsAt = performance.now() + this.deadlineMs;
    const deadline = AbortSignal.timeout(this.deadlineMs);
    const mayRetry = (error: Error) =>
      error instanceof EmbedQLError &&
      error.retryable &&
      performance.now() + this.#pause.remainingMs < endsAt;
    const retrying = retry(handleWhen(mayRetry), {
      maxAttempts: this.#options.retries,
      backoff: new DelegateBackoff((context: IRetryBackoffContext<unknown>) =>
        Math.max(this.#pause.remainingMs, jitter(context.attempt)),
      ),
    });
    try {
      return await retrying.execute(async () => {
        await this.#pauseOver(endsAt, deadline);
        return await this.#breaker.execute(() => this.#attempt(texts, deadline));
      });
    } catch (error) {
      throw withRetryAfter(this.#explain(error), this.#pause.remainingMs);
    }
  }

  close(): Promise<void> {
    return this.#model.close();
  }

  /** Waits as long as the provider has asked for, unless that is longer than anybody will wait. */
  async #pauseOver(endsAt: number, deadline: AbortSignal): Promise<void> {
    const retryAfterMs = Math.ceil(this.#pause.remainingMs);
    if (performance.now() + retryAfterMs >= endsAt) {
      throw new EmbedQLError(
        'RATE_LIMITED',
        `The provider of ${this.spec.name} asks for a pause; try again in ${Math.ceil(retryAfterMs / 1000)} s.`,
        { retryable: true, retryAfterMs },
      );
    }
    await this.#pause.over(deadline);
  }

  async #attempt(texts: readonly string[], deadline: AbortSignal): Promise<EmbeddedText[]> {
    const report = reportCall(this.#events, { model: this.spec.name, texts: texts.length });
    try {
      const limited = timeout(this.#options.timeoutMs, TimeoutStrategy.Aggressive);
      const embedded = await limited.execute(({ signal }) => this.#model.embed(texts, signal), deadline);
      report('ok');
      this.#limit.succeeded();
      return embedded;
    } catch (error) {
      const failure = this.#explain(error);
      report(failure.code);
      if (failure.code === 'RATE_LIMITED') this.#limit.tooMany();
      if (failure.retryAfterMs !== undefined) this.#pause.extend(failure.retryAfterMs);
      throw failure;
    }
  }

  #explain(error: unknown): EmbedQLError {
    const { name } = this.spec;
    if (error instanceof BrokenCircuitError) {
      return new EmbedQLError(
        'PROVIDER_ERROR',
        `The provider of ${name} has failed many times in a row and is not asked for a while; try again later.`,
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
