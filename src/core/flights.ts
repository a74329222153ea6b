import { setMaxListeners } from 'node:events';
import { batchCostOf, costOf } from './accounting.ts';
import { BatchLimit } from './batch-limit.ts';
import type { CachedVector, CacheHit, Claimed } from './cache.ts';
import { sleep, turn } from './clock.ts';
import { EmbedQLError, toEmbedQLError } from './errors.ts';
import type { EmbedderEvents } from './events.ts';
import { answerOf, Flight, type Outcome, type Waiter } from './flight.ts';
import type { EmbeddingModel } from './model.ts';
import { ModelCache, type ModelCacheOptions } from './model-cache.ts';
import { Places } from './places.ts';
import type { Operation, Payer, TextRequest } from './request.ts';
import { Scheduler } from './scheduler.ts';
import { type Computed, Sender } from './sender.ts';
import type { Tracer } from './tracing.ts';

export interface FlightsOptions extends ModelCacheOptions {
  events: EmbedderEvents;
  tracer: Tracer;
  /** Milliseconds that a text may be held to fill a batch. */
  windowMs: number;
  /** Texts that may wait to be sent. */
  queueLimit: number;
}

/** Milliseconds between two looks for what another replica computes: the first, and the longest. */
const firstPollMs = 20;
const longestPollMs = 250;

/** Operations that are told of their vectors in one turn of the event loop. */
const toldAtOnce = 8;

/** How it stands with a text that nobody has asked for yet. */
export interface Look {
  /** Its cache key. Texts with the same are one text. */
  readonly key: string;
  readonly cached: boolean;
  /** Whether it is looked up or computed at this moment, in this process. */
  readonly underWay: boolean;
}

/**
 * All texts that are under way for one model. A request first peeks the memory and joins or begins a flight, without
 * waiting for anything in between; whatever takes time happens inside the flight. So a text is never asked for twice at
 * the same time, in whatever order things happen.
 */
export class Flights {
  readonly #options: FlightsOptions;
  readonly #model: EmbeddingModel;
  readonly #byKey = new Map<string, Flight>();
  readonly #scheduler: Scheduler<Flight>;
  readonly #cache: ModelCache;

  constructor(options: FlightsOptions) {
    const { model, events, tracer, clock, log } = options;
    this.#options = options;
    this.#model = model;
    this.#cache = new ModelCache(options);
    const { name, maxBatchSize, maxBatchTokens } = model.spec;
    const places = new Places(() => model.concurrency);
    const limit = new BatchLimit(
      { size: maxBatchSize, tokens: maxBatchTokens ?? Number.POSITIVE_INFINITY },
      clock,
      ({ size }) =>
        log.warn(
          { model: name, configured: maxBatchSize, accepted: size },
          `The provider of ${name} accepts fewer texts per call than its entry says; correct its maxBatchSize.`,
        ),
    );
    const sender = new Sender<Flight>({
      model,
      places,
      limit,
      events,
      tracer,
      settle: (flights, outcomes) => this.#settle(flights, outcomes),
    });
    this.#scheduler = new Scheduler<Flight>({
      model: name,
      limits: limit,
      windowMs: options.windowMs,
      places,
      queueLimit: options.queueLimit,
      sharesMachine: model.sharesMachine,
      clock,
      send: (batch) => sender.send(batch),
    });
  }

  /** Texts that wait to be sent. */
  get queueDepth(): number {
    return this.#scheduler.depth;
  }

  /** Texts that are under way in any way. */
  get size(): number {
    return this.#byKey.size;
  }

  /**
   * Looks for texts without asking for them: nothing is computed, claimed, or counted as used.
   * @param payer whose cache it is, where each key has its own
   * @throws EmbedQLError where the model cannot be used
   */
  async look(requests: readonly TextRequest[], waitMs?: number, payer?: Pick<Payer, 'key'>): Promise<Look[]> {
    const identity = this.#cache.scoped(await this.#model.identity(), payer);
    const keys = requests.map(({ kind, text }) => this.#cache.keyOf(identity, kind, text));
    const cached = await this.#cache.has(keys, waitMs);
    return keys.map((key, i) => ({ key, cached: cached[i] === true, underWay: this.#byKey.has(key) }));
  }

  /**
   * Texts were computed in a batch of the provider: they are kept in the cache, counted, and charged to the operation's payer
   * at the price of batches. Resolves once that has begun; nobody waits for the writing.
   * @param computed in the order of `requests`. @returns USD
   */
  async receive(
    requests: readonly TextRequest[],
    computed: readonly CachedVector[],
    { payer }: Pick<Operation, 'payer'>,
  ): Promise<number> {
    const identity = this.#cache.scoped(await this.#model.identity(), payer);
    const kept = requests.flatMap(({ kind, text, useCache }, i) =>
      useCache ? [[this.#cache.keyOf(identity, kind, text), computed[i]!] as const] : [],
    );
    this.#cache.write(kept);
    return this.charge(
      computed.map(({ tokens }) => tokens),
      { payer },
    );
  }

  /**
   * Counts and charges what a batch of the provider has computed, and nobody has any more.
   * @param tokens of each text. @returns USD
   */
  charge(tokens: readonly number[], { payer }: Pick<Operation, 'payer'>): number {
    const { spec } = this.#model;
    payer?.asked?.(spec.name, tokens.length);
    let usd = 0;
    let sum = 0;
    for (const some of tokens) {
      const cost = batchCostOf(some, spec);
      usd += cost;
      sum += some;
      payer?.charged(cost, some, spec.name);
    }
    this.#options.events.computed(spec.name, tokens.length, sum, 0, true);
    return usd;
  }

  /** Answers or errors, in the order of `requests`; one that fails does not affect the others. */
  async embed(requests: readonly TextRequest[], operation: Operation): Promise<Outcome[]> {
    operation.payer?.asked?.(this.#model.spec.name, requests.length);
    if (!operation.canWait) this.#scheduler.touch();
    let identity: string;
    try {
      identity = this.#cache.scoped(await this.#model.identity(), operation.payer);
    } catch (error) {
      const failure = toEmbedQLError(error);
      return requests.map(() => failure);
    }
    // No await from here until every text is answered or has joined a flight.
    const outcomes: Outcome[] = new Array(requests.length);
    const begun: Flight[] = [];
    const waits: Array<readonly [Flight, Waiter]> = [];
    const hits = new HitCounts();
    let left = requests.length;
    let joined = 0;
    let done: () => void = () => {};
    const cache = this.#cache;
    for (let i = 0; i < requests.length; i++) {
      const request = requests[i]!;
      const key = cache.keyOf(identity, request.kind, request.text);
      const hit = request.useCache ? cache.peek(key) : undefined;
      if (hit) {
        outcomes[i] = this.#answer(hit, request, hits);
        left -= 1;
        continue;
      }
      const waiter: Waiter = {
        operation,
        useCache: request.useCache,
        truncate: request.truncate,
        settle: (outcome) => {
          outcomes[i] = outcome;
          left -= 1;
          if (left === 0) done();
        },
      };
      let flight = this.#byKey.get(key);
      if (flight) {
        joined += 1;
        this.#limitBatch(flight, request.maxBatchSize);
      } else {
        flight = this.#begin(key, request, operation);
        begun.push(flight);
      }
      waits.push([flight, waiter]);
      flight.join(waiter);
      if (!operation.canWait) this.#hurry(flight);
    }
    this.#report(hits, operation.payer);
    if (joined > 0) this.#options.events.joined(this.#model.spec.name, joined);
    if (begun.length > 0) void this.#depart(begun, operation);
    if (left > 0) {
      const settled = new Promise<void>((resolve) => {
        done = resolve;
      });
      await this.#untilSettled(settled, waits, operation);
    }
    return outcomes;
  }

  /** Who joins with a smaller `maxBatchSize` has it, as long as the text has not been sent. */
  #limitBatch(flight: Flight, maxBatchSize: number | undefined): void {
    if (maxBatchSize === undefined || maxBatchSize >= flight.maxBatchSize || flight.ended) return;
    if (flight.submitted && !this.#scheduler.cancel(flight)) return;
    flight.maxBatchSize = maxBatchSize;
    if (flight.submitted) this.#scheduler.submit(flight);
  }

  /** Somebody asks for it who cannot wait. */
  #hurry(flight: Flight): void {
    if (!flight.canWait || flight.ended) return;
    const isInLine = flight.submitted && this.#scheduler.cancel(flight);
    if (flight.submitted && !isInLine) return;
    flight.canWait = false;
    try {
      if (isInLine) this.#scheduler.submit(flight);
    } catch (error) {
      this.#fail(flight, error);
    }
  }

  /** Waits for all, until the operation goes away or its time is up. */
  async #untilSettled(
    settled: Promise<void>,
    waits: ReadonlyArray<readonly [Flight, Waiter]>,
    { signal, canWait }: Operation,
  ): Promise<void> {
    const leaveAll = (reason: EmbedQLError) => {
      for (const [flight, waiter] of waits) flight.leave(waiter, reason);
    };
    const gone = () => leaveAll(cancelled);
    const deadlineMs = canWait ? undefined : this.#model.deadlineMs;
    const timer =
      deadlineMs === undefined
        ? undefined
        : this.#options.clock.after(deadlineMs, () => leaveAll(this.#timedOut(deadlineMs)));
    // Many parts of one operation may wait at the same time: no leak that Node should warn of.
    if (signal) setMaxListeners(0, signal);
    signal?.addEventListener('abort', gone, { once: true });
    if (signal?.aborted) gone();
    await settled;
    timer?.cancel();
    signal?.removeEventListener('abort', gone);
  }

  #begin(key: string, request: TextRequest, operation: Operation): Flight {
    const { maxBatchSize, queryPrefix = '', documentPrefix = '' } = this.#model.spec;
    const flight = new Flight({
      key,
      // Prefixes are in the text; whatever they are, texts may share a call.
      kind: this.#model.distinguishesKinds ? request.kind : 'doc',
      request,
      text: (request.kind === 'query' ? queryPrefix : documentPrefix) + request.text,
      maxBatchSize: Math.min(request.maxBatchSize ?? maxBatchSize, maxBatchSize),
      operation,
      cancel: (cancelled) => {
        if (!this.#scheduler.cancel(cancelled)) return false;
        this.#forget(cancelled);
        return true;
      },
      tooLong: () => this.#tooLong(),
    });
    this.#byKey.set(key, flight);
    return flight;
  }

  /** Takes new flights through everything that takes time. Never rejects. */
  async #depart(flights: readonly Flight[], operation: Operation): Promise<void> {
    try {
      const missing = await this.#lookUp(flights, operation);
      if (missing.length > 0) await this.#compute(missing);
    } catch (error) {
      this.#failAll(flights, error);
    }
  }

  /** Looks further than the memory. @returns the flights that have to be computed here */
  async #lookUp(flights: readonly Flight[], operation: Operation): Promise<Flight[]> {
    const { tracer } = this.#options;
    const asking = flights.filter(({ keep }) => keep);
    if (asking.length === 0 || this.#cache.peeksEverything) return [...flights];
    const span = tracer.start(
      'embedql.cache',
      { model: this.#model.spec.name, texts: asking.length },
      { parent: operation.trace },
    );
    const found = await this.#cache.claimFor(operation, keysOf(asking));
    span.end(tracer.enabled ? { hits: found.filter((one) => typeof one === 'object').length } : undefined);
    const { missing, elsewhere } = this.#receive(asking, found);
    if (elsewhere.length > 0) void this.#awaitElsewhere(elsewhere);
    if (asking.length < flights.length) missing.push(...flights.filter((flight) => !asking.includes(flight)));
    return missing;
  }

  /** Hands out what was found. @returns what nobody has, and what another replica computes */
  #receive(
    flights: readonly Flight[],
    found: readonly Claimed[],
  ): { missing: Flight[]; elsewhere: Flight[] } {
    const missing: Flight[] = [];
    const elsewhere: Flight[] = [];
    const hits = new HitCounts();
    for (const [i, flight] of flights.entries()) {
      const claimed = found[i];
      const hit = typeof claimed === 'object' ? this.#cache.usable(flight.key, claimed) : undefined;
      if (hit) {
        const { texts, tokens } = flight.found(hit, this.#model.spec);
        hits.add(hit.tier, texts, tokens);
      }
      flight.claimed = claimed === 'ours';
      // After a hit somebody may be left who takes nothing out of the cache.
      if (flight.deserted) this.#forget(flight);
      else if (claimed === 'theirs' && !flight.needsComputing) elsewhere.push(flight);
      else missing.push(flight);
    }
    this.#report(hits);
    return { missing, elsewhere };
  }

  /**
   * Another replica computes these: asks again and again until each is there, or until that replica lets go of it and it
   * is ours to compute. Never rejects.
   */
  async #awaitElsewhere(flights: readonly Flight[]): Promise<void> {
    const { clock } = this.#options;
    let waiting: readonly Flight[] = flights;
    try {
      for (let pollMs = firstPollMs; waiting.length > 0; pollMs = Math.min(pollMs * 1.5, longestPollMs)) {
        await sleep(clock, pollMs * (0.75 + clock.random() / 2));
        for (const flight of waiting) if (flight.deserted) this.#forget(flight);
        waiting = waiting.filter(({ deserted }) => !deserted);
        if (waiting.length === 0) return;
        const { missing, elsewhere } = this.#receive(
          waiting,
          await this.#cache.claimAgain(
            keysOf(waiting),
            waiting.every(({ canWait }) => canWait),
          ),
        );
        waiting = elsewhere;
        if (missing.length > 0) void this.#compute(missing).catch((error) => this.#failAll(missing, error));
      }
    } catch (error) {
      this.#failAll(waiting, error);
    }
  }

  /** Fits texts to the model, sets their money aside, and puts them in line. */
  async #compute(flights: readonly Flight[]): Promise<void> {
    const { events, tracer, clock } = this.#options;
    const misses = !this.#cache.exists ? 0 : flights.filter(({ keep }) => keep).length;
    if (misses > 0) events.cacheMisses(this.#model.spec.name, misses);
    const fitted = await this.#model.fit(flights.map(({ text }) => text));
    for (const [i, flight] of flights.entries()) {
      const { text, maxTokens, truncated } = fitted[i]!;
      flight.fit(text, maxTokens, truncated);
    }
    const funded = await this.#fund(this.#withoutDeserted(flights));
    for (const flight of funded) {
      flight.submittedAt = tracer.enabled ? clock.date() : 0;
      flight.submitted = true;
      try {
        this.#scheduler.submit(flight);
      } catch (error) {
        this.#fail(flight, error);
      }
    }
  }

  /** Everybody who waits sets aside what a text can cost. @returns the flights that somebody can pay for */
  async #fund(flights: readonly Flight[]): Promise<readonly Flight[]> {
    const { costPer1kTokens } = this.#model.spec;
    const limited = costPer1kTokens ? flights.filter(({ limited }) => limited) : [];
    if (limited.length > 0) {
      const { maxInputTokens } = this.#model.spec;
      const counts = await this.#model.countTokens(limited.map(({ text }) => text));
      for (const [i, flight] of limited.entries())
        flight.maxTokens = Math.min(flight.maxTokens, counts[i]!, maxInputTokens);
    }
    const asked = flights.map((flight) => flight.fund(costOf(flight.maxTokens, this.#model.spec)));
    if (limited.length > 0) {
      await Promise.all(asked);
      // While one is waited for, those who pay for another may go.
      let waiting = flights;
      do {
        await Promise.all(waiting.map((flight) => flight.untilFunded()));
        waiting = flights.filter(({ deserted, funded }) => !deserted && !funded);
      } while (waiting.length > 0);
    }
    return this.#withoutDeserted(flights);
  }

  #withoutDeserted(flights: readonly Flight[]): readonly Flight[] {
    let deserted = 0;
    for (const flight of flights) {
      if (!flight.deserted) continue;
      deserted += 1;
      this.#forget(flight);
    }
    return deserted === 0 ? flights : flights.filter((flight) => !flight.deserted);
  }

  /**
   * Some texts of a batch have come back, or failed. Nobody finds neither flight nor vector: a flight ends after its vector is
   * in the cache. Where batches may overlap, those who wait are told some at a time, so that the next requests of the first are
   * read, and are under way, before the last has been answered.
   */
  async #settle(flights: readonly Flight[], outcomes: ReadonlyArray<Computed | Error>): Promise<void> {
    const { log } = this.#options;
    const entries: Array<[string, Answerable]> = [];
    for (const [i, flight] of flights.entries()) {
      const outcome = outcomes[i]!;
      if (outcome instanceof Error || !flight.keep) continue;
      const { vector, tokens } = outcome;
      entries.push([flight.key, { vector, tokens, truncated: flight.truncated ?? false }]);
    }
    const written = this.#cache.write(entries);
    let told = 0;
    let last: Operation | undefined;
    for (const [i, flight] of flights.entries()) {
      const outcome = outcomes[i]!;
      if (outcome instanceof Error) {
        this.#fail(flight, outcome);
        this.#scheduler.handedOut();
        continue;
      }
      if (flight.group !== last) {
        last = flight.group;
        told += 1;
        if (told % toldAtOnce === 0 && this.#scheduler.tellsInTurns) await turn(this.#options.clock);
      }
      // What was written needs no lease any more.
      flight.claimed &&= !(flight.keep && written);
      this.#forget(flight);
      try {
        flight.land(outcome, this.#model.spec);
      } catch (error) {
        log.error({ err: error, model: this.#model.spec.name }, 'the cost of a text could not be recorded');
      }
      this.#scheduler.handedOut();
    }
  }

  #failAll(flights: readonly Flight[], error: unknown): void {
    for (const flight of flights) this.#fail(flight, error);
  }

  #fail(flight: Flight, error: unknown): void {
    if (flight.ended) return;
    this.#forget(flight);
    flight.fail(error);
  }

  /** It is not under way any more; where its text has not been computed, another replica may do it. */
  #forget(flight: Flight): void {
    if (this.#byKey.get(flight.key) === flight) this.#byKey.delete(flight.key);
    if (!flight.claimed) return;
    flight.claimed = false;
    this.#cache.release(flight.key);
  }

  #answer(hit: CacheHit, { truncate }: TextRequest, hits: HitCounts): Outcome {
    if (hit.truncated && !truncate) return this.#tooLong();
    hits.add(hit.tier, 1, hit.tokens);
    return answerOf(hit);
  }

  /** @param payer who asked for them, where that was one alone */
  #report(hits: HitCounts, payer?: Payer): void {
    const { spec } = this.#model;
    for (const [tier, { texts, tokens }] of hits.byTier) {
      if (texts === 0) continue;
      this.#options.events.cacheHits(spec.name, tier, texts, tokens);
      payer?.served?.(spec.name, texts, costOf(tokens, spec));
    }
  }

  #tooLong(): EmbedQLError {
    const { name, maxInputTokens } = this.#model.spec;
    return new EmbedQLError(
      'TEXT_TOO_LONG',
      `The text is over the limit of ${name}, ${maxInputTokens} tokens; shorten it, or pass truncate: true to cut it.`,
    );
  }

  #timedOut(deadlineMs: number): EmbedQLError {
    return new EmbedQLError(
      'PROVIDER_TIMEOUT',
      `${this.#model.spec.name} did not answer within ${deadlineMs} ms; try again, or raise timeoutMs.`,
      { hint: 'timeoutMs', retryable: true },
    );
  }
}

function keysOf(flights: readonly Flight[]): string[] {
  return flights.map(({ key }) => key);
}

type Answerable = Pick<CacheHit, 'vector' | 'tokens' | 'truncated'>;

const cancelled = new EmbedQLError('INTERNAL_SERVER_ERROR', 'The request was cancelled.', {
  retryable: true,
});

/** Hits of one look-up, by tier. */
class HitCounts {
  readonly byTier = new Map<string, { texts: number; tokens: number }>();

  add(tier: string, texts: number, tokens: number): void {
    const counts = this.byTier.get(tier);
    if (!counts) this.byTier.set(tier, { texts, tokens });
    else {
      counts.texts += texts;
      counts.tokens += tokens;
    }
  }
}
