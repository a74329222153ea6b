import { costOf } from './accounting.ts';
import type { Cache, CacheHit } from './cache.ts';
import { cacheKey } from './cache.ts';
import { EmbedQLError, toEmbedQLError } from './errors.ts';
import type { CacheTier, EmbedderEvents } from './events.ts';
import { Lookup } from './lookup.ts';
import type { EmbeddingModel, FittedText } from './model.ts';
import type { Answer, Operation, TextRequest } from './request.ts';
import { Scheduler } from './scheduler.ts';
import { BatchSender, type Computed, type ComputeTask } from './sender.ts';
import { type Seat, SingleFlight, type Started } from './single-flight.ts';
import { noTracer, type Tracer } from './tracing.ts';

export interface PipelineOptions {
  windowMs: number;
  queueLimit: number;
  tracer?: Tracer;
}

interface Computation extends Started<Computed> {
  readonly task: ComputeTask;
}

type ComputationSeat = Seat<Computed, Computation>;

/**
 * The way of a text through one model: cache, single-flight, scheduler, provider, and back.
 * One for each model, for the whole process.
 */
export class Pipeline {
  readonly model: EmbeddingModel;
  readonly #cache: Cache;
  readonly #events: EmbedderEvents;
  readonly #tracer: Tracer;
  readonly #scheduler: Scheduler<ComputeTask, Computed>;
  readonly #computing = new SingleFlight<Computed, Computation>();
  readonly #lookup: Lookup;

  constructor(model: EmbeddingModel, cache: Cache, events: EmbedderEvents, options: PipelineOptions) {
    this.model = model;
    this.#cache = cache;
    this.#lookup = new Lookup(cache, model.spec.dimension);
    this.#events = events;
    this.#tracer = options.tracer ?? noTracer;
    const sender = new BatchSender(model, cache, events, this.#tracer);
    this.#scheduler = new Scheduler<ComputeTask, Computed>({
      model: model.spec.name,
      limits: {
        size: model.spec.maxBatchSize,
        tokens: model.spec.maxBatchTokens ?? Number.POSITIVE_INFINITY,
      },
      windowMs: options.windowMs,
      queueLimit: options.queueLimit,
      concurrency: () => model.concurrency,
      send: (batch) => sender.send(batch),
    });
  }

  get queueDepth(): number {
    return this.#scheduler.depth;
  }

  /** Answers or errors, in the order of `requests`; one that fails costs its neighbours nothing. */
  async embed(requests: readonly TextRequest[], operation: Operation): Promise<Array<Answer | EmbedQLError>> {
    try {
      const identity = await this.model.identity();
      const keys = requests.map(({ kind, text }) => cacheKey(identity, kind, text));
      const span = this.#tracer.start(
        'embedql.cache',
        { model: this.model.spec.name },
        { parent: operation.trace },
      );
      const hits = await this.#lookup.find(
        keys,
        (i) => requests[i]!.useCache,
        (key) => this.#computing.has(key),
      );
      span.end(this.#tracer.enabled ? { texts: hits.length, hits: hits.filter(Boolean).length } : undefined);
      const answers = this.#fromCache(hits, requests);
      this.#refuseUnpaid(keys, answers, operation);
      const missing = [...requests.keys()].filter((i) => answers[i] === undefined);
      if (missing.length > 0) await this.#compute(requests, keys, missing, answers, operation);
      return answers as Array<Answer | EmbedQLError>;
    } catch (error) {
      const shown = toEmbedQLError(error);
      return requests.map(() => shown);
    }
  }

  #fromCache(
    hits: ReadonlyArray<CacheHit | undefined>,
    requests: readonly TextRequest[],
  ): Array<Answer | EmbedQLError | undefined> {
    const counts: Record<CacheTier, { texts: number; tokens: number }> = {
      memory: { texts: 0, tokens: 0 },
      redis: { texts: 0, tokens: 0 },
    };
    const answers = hits.map((hit, i) => {
      if (!hit) return undefined;
      const { vector, tokens, truncated, tier } = hit;
      if (truncated && !requests[i]!.truncate) return this.#tooLong();
      counts[tier].texts += 1;
      counts[tier].tokens += tokens;
      return { vector, tokens, truncated, source: tier, costUsd: 0 };
    });
    for (const tier of ['memory', 'redis'] as const) {
      const { texts, tokens } = counts[tier];
      if (texts > 0) this.#events.cacheHits(this.model.spec.name, tier, texts, tokens);
    }
    return answers;
  }

  /** Somebody whose money is spent still gets what is cached and what others have computed anyway. */
  #refuseUnpaid(
    keys: readonly string[],
    answers: Array<Answer | EmbedQLError | undefined>,
    { payer }: Operation,
  ): void {
    const { costPer1kTokens } = this.model.spec;
    if (!payer?.refusal || costPer1kTokens === 0) return;
    for (const [i, key] of keys.entries()) {
      if (answers[i] === undefined && !this.#computing.has(key)) answers[i] = payer.refusal;
    }
  }

  async #compute(
    requests: readonly TextRequest[],
    keys: readonly string[],
    missing: readonly number[],
    answers: Array<Answer | EmbedQLError | undefined>,
    operation: Operation,
  ): Promise<void> {
    const fitted = await this.model.fit(missing.map((i) => this.#prefixed(requests[i]!)));
    const seats = new Map<number, ComputationSeat>();
    let misses = 0;
    let joined = 0;
    for (const [n, i] of missing.entries()) {
      const text = fitted[n]!;
      const request = requests[i]!;
      if (text.truncated && !request.truncate) {
        answers[i] = this.#tooLong();
        continue;
      }
      if (this.#computing.has(keys[i]!)) joined += 1;
      else if (request.useCache && this.#cache.backend !== 'none') misses += 1;
      seats.set(i, this.#takeSeat(keys[i]!, request, text, operation));
    }
    if (misses > 0) this.#events.cacheMisses(this.model.spec.name, misses);
    if (joined > 0) this.#events.joined(this.model.spec.name, joined);
    await this.#wait(seats, answers, operation);
  }

  #prefixed({ kind, text }: TextRequest): string {
    const { queryPrefix = '', documentPrefix = '' } = this.model.spec;
    return (kind === 'query' ? queryPrefix : documentPrefix) + text;
  }

  #takeSeat(key: string, request: TextRequest, fitted: FittedText, operation: Operation): ComputationSeat {
    const seat = this.#computing.join(key, () => {
      const { maxBatchSize } = this.model.spec;
      const task: ComputeTask = {
        key,
        text: fitted.text,
        truncated: fitted.truncated,
        maxTokens: fitted.maxTokens,
        maxBatchSize: Math.min(request.maxBatchSize ?? maxBatchSize, maxBatchSize),
        group: operation,
        submittedAt: this.#tracer.enabled ? Date.now() : 0,
        keep: false,
      };
      return { ...this.#scheduler.submit(task), task };
    });
    if (request.useCache) seat.work.task.keep = true;
    return seat;
  }

  /** Waits for all seats, until the operation goes away or its time is up. */
  async #wait(
    seats: ReadonlyMap<number, ComputationSeat>,
    answers: Array<Answer | EmbedQLError | undefined>,
    { signal }: Operation,
  ): Promise<void> {
    const leaveAll = (reason: EmbedQLError) => {
      for (const seat of seats.values()) seat.leave(reason);
    };
    const gone = () =>
      leaveAll(new EmbedQLError('INTERNAL_SERVER_ERROR', 'The request was cancelled.', { retryable: true }));
    const { deadlineMs } = this.model;
    const timer =
      deadlineMs === undefined
        ? undefined
        : setTimeout(() => leaveAll(this.#timedOut(deadlineMs)), deadlineMs);
    signal?.addEventListener('abort', gone, { once: true });
    if (signal?.aborted) gone();
    await Promise.all(
      [...seats].map(async ([i, seat]) => {
        try {
          const { value, first } = await seat.result;
          const costUsd = first ? costOf(value.tokens, this.model.spec) : 0;
          answers[i] = { ...value, source: 'provider', costUsd };
        } catch (error) {
          answers[i] = toEmbedQLError(error);
        }
      }),
    );
    clearTimeout(timer);
    signal?.removeEventListener('abort', gone);
  }

  #tooLong(): EmbedQLError {
    const { name, maxInputTokens } = this.model.spec;
    return new EmbedQLError(
      'TEXT_TOO_LONG',
      `The text has more than the ${maxInputTokens} tokens that ${name} takes; shorten it, or pass truncate: true to have it cut.`,
    );
  }

  #timedOut(deadlineMs: number): EmbedQLError {
    return new EmbedQLError(
      'PROVIDER_TIMEOUT',
      `${this.model.spec.name} did not answer within ${deadlineMs} ms; try again, or raise timeoutMs.`,
      { hint: 'timeoutMs', retryable: true },
    );
  }
}
