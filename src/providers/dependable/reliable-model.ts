import type { Batches } from '../../core/batches.ts';
import { type Clock, sleep, systemClock } from '../../core/clock.ts';
import { EmbedQLError, InputRefusedError, ServerFailedError } from '../../core/errors.ts';
import type { EmbedderEvents } from '../../core/events.ts';
import type {
  EmbedCallOptions,
  EmbeddedText,
  EmbeddingModel,
  EndpointStatus,
  FittedText,
  ModelSpec,
  ModelStatus,
} from '../../core/model.ts';
import type { Log } from '../../core/surroundings.ts';
import { OpenError } from './breaker.ts';
import type { CheckedModel } from './checked-model.ts';
import { reportCall } from './counted-model.ts';
import { Endpoint } from './endpoint.ts';
import { backoffMs, explain, timedOut, withRetryAfter } from './failures.ts';
import { EndpointPool, type Endpoints, SoleEndpoint } from './pool.ts';

export interface ReliabilityOptions {
  /** Calls in flight at the same time. */
  concurrency: number;
  /** Milliseconds that one attempt may take. */
  timeoutMs: number;
  /** Attempts after the first. */
  retries: number;
  /** Milliseconds that an open circuit breaker waits before it tries again. */
  breakerMs: number;
  /** Default: the real time. */
  clock?: Clock;
}

/** One place that serves the model. */
export interface ServingPlace {
  readonly name: string;
  readonly weight: number;
  readonly model: CheckedModel;
}

/** Failures in a row after which a provider counts as down. More than one call with its retries. */
const failuresThatOpen = 8;
/** The same for an endpoint while there is another that can be asked instead. */
const failuresThatOpenOneOfMany = 3;

/**
 * A remote model made dependable: each attempt is limited in time, failures that may pass are tried again
 * with full jitter, at another endpoint at once where there is one; a provider that asks for a pause gets it from every
 * batch, one that is down is left alone for a while, and one that is asked too much is asked less.
 */
export class ReliableModel implements EmbeddingModel {
  readonly spec: ModelSpec;
  /** What one operation waits at the most, in milliseconds. */
  readonly deadlineMs: number;
  /** Whether it tells documents and queries apart. */
  readonly distinguishesKinds: boolean;
  readonly #places: readonly ServingPlace[];
  readonly #options: ReliabilityOptions;
  readonly #clock: Clock;
  readonly #events: EmbedderEvents;
  readonly #endpoints: Endpoints;

  /** @param places at least one; several are endpoints of one model */
  constructor(
    places: readonly ServingPlace[],
    options: ReliabilityOptions,
    events: EmbedderEvents,
    log: Log,
  ) {
    const { clock = systemClock, concurrency, breakerMs, timeoutMs, retries } = options;
    this.spec = places[0]!.model.spec;
    this.deadlineMs = timeoutMs * (retries + 1);
    this.distinguishesKinds = places[0]!.model.distinguishesKinds === true;
    this.#places = places;
    this.#options = options;
    this.#clock = clock;
    this.#events = events;
    const { name: model } = this.spec;
    const isAlone = places.length === 1;
    const endpoints: Endpoint[] = places.map(
      (place, i) =>
        new Endpoint({
          ...place,
          ...{ clock, concurrency, breakerMs },
          failures: () =>
            this.#endpoints.canReplace(endpoints[i]!) ? failuresThatOpenOneOfMany : failuresThatOpen,
          // Of many, the pool tells.
          onOpen: () => isAlone && log.warn({ model, breakerMs }, 'provider is down; calls to it are paused'),
          onClose: () => isAlone && log.info({ model }, 'provider is back'),
        }),
    );
    this.#endpoints = isAlone
      ? new SoleEndpoint(endpoints[0]!)
      : new EndpointPool({
          model,
          endpoints,
          concurrency,
          clock,
          log,
          events,
          timeoutMs,
          breakerMs,
          retries,
        });
  }

  /** Whoever has texts in batches has time, and tries again by itself. Of several places, no canary looks after a batch. */
  get batches(): Batches | undefined {
    return this.#places.length === 1 ? this.#places[0]!.model.batches : undefined;
  }

  get concurrency(): number {
    return this.#endpoints.concurrency;
  }

  /** Available where one of its endpoints is. */
  status(): ModelStatus {
    return this.#available.status();
  }

  identity(): Promise<string> {
    return this.#available.identity();
  }

  fit(texts: readonly string[]): Promise<FittedText[]> {
    return this.#available.fit(texts);
  }

  countTokens(texts: readonly string[], atMost?: number): Promise<number[]> {
    return this.#available.countTokens(texts, atMost);
  }

  endpoints(): EndpointStatus[] {
    return this.#endpoints.statuses();
  }

  async embed(
    texts: readonly string[],
    { retryServerFailures = true, kind = 'doc', maxTokens }: EmbedCallOptions = {},
  ): Promise<EmbeddedText[]> {
    const { timeoutMs, retries } = this.#options;
    const endsAt = this.#clock.now() + this.deadlineMs;
    const tokens = maxTokens ?? texts.reduce((sum, text) => sum + text.length, 1);
    const tried = new Set<Endpoint>();
    for (let number = 1; ; number++) {
      const { endpoint, end } = await this.#endpoints.take(tokens, tried, endsAt);
      let failure: EmbedQLError;
      try {
        const left = endsAt - this.#clock.now();
        if (left <= 0) throw timedOut(this.spec.name);
        const report = reportCall(
          this.#events,
          { model: this.spec.name, texts: texts.length, endpoint: endpoint.name },
          this.#clock,
        );
        return await endpoint.attempt({ texts, kind, timeoutMs: Math.min(timeoutMs, left) }, report);
      } catch (error) {
        if (error instanceof OpenError) {
          if (this.#endpoints.all.length === 1) throw this.#down();
          // It opened after the endpoint was taken. Nothing was sent, so this was no attempt.
          number -= 1;
          continue;
        }
        failure = explain(error, this.spec.name);
      } finally {
        end();
      }
      tried.add(endpoint);
      const { remainingMs: pauseMs } = endpoint.pause;
      const another = isElsewhereBetter(failure) && this.#endpoints.failed(endpoint, failure, tried);
      const mayRetry =
        number <= retries &&
        (another || failure.retryable) &&
        (retryServerFailures || !(failure instanceof ServerFailedError));
      if (!mayRetry) throw withRetryAfter(failure, pauseMs);
      if (another) continue;
      // All have failed at it; the next round may try each of them again.
      tried.clear();
      const jitterMs = backoffMs(this.#clock, number);
      const waitMs = this.#endpoints.all.length > 1 ? jitterMs : Math.max(pauseMs, jitterMs);
      if (this.#clock.now() + waitMs >= endsAt) throw withRetryAfter(failure, pauseMs);
      await sleep(this.#clock, waitMs);
    }
  }

  async close(): Promise<void> {
    this.#endpoints.close();
    await Promise.all(this.#places.map(({ model }) => model.close()));
  }

  /** A model that can say what all of them would say: the first that has what it needs. */
  get #available(): CheckedModel {
    const models = this.#places.map(({ model }) => model);
    return models.find((model) => model.status().available) ?? models[0]!;
  }

  #down(): EmbedQLError {
    return new EmbedQLError(
      'PROVIDER_ERROR',
      `The provider of ${this.spec.name} failed many times in a row, so calls to it are paused; try again later.`,
      { retryable: true, retryAfterMs: this.#options.breakerMs },
    );
  }
}

/** What the text itself is the reason for, every endpoint says. */
function isElsewhereBetter(failure: EmbedQLError): boolean {
  return !(failure instanceof InputRefusedError);
}
