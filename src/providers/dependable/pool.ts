import type { Clock } from '../../core/clock.ts';
import { EmbedQLError } from '../../core/errors.ts';
import type { EmbedderEvents } from '../../core/events.ts';
import type { EndpointStatus } from '../../core/model.ts';
import type { Log } from '../../core/surroundings.ts';
import { Canaries, isFree } from './canaries.ts';
import { type Endpoint, pausing } from './endpoint.ts';

/** Who gets a call, and what is done about one that failed. */
export interface Endpoints {
  readonly all: readonly Endpoint[];
  /** Calls that may be in flight together. */
  readonly concurrency: number;
  /**
   * The endpoint for a call. Its tokens are counted as outstanding before this resolves.
   * @param tried those that have failed at this call; another is preferred
   * @param endsAt when nobody waits for the call any more
   * @returns the endpoint, and what to call when the attempt is over. @throws EmbedQLError where there is none
   */
  take(tokens: number, tried: ReadonlySet<Endpoint>, endsAt: number): Promise<Taken>;
  /** An attempt failed. @returns whether another endpoint can be tried at once */
  failed(endpoint: Endpoint, failure: EmbedQLError, tried: ReadonlySet<Endpoint>): boolean;
  /** Whether another can be called in place of one. */
  canReplace(endpoint: Endpoint): boolean;
  statuses(): EndpointStatus[];
  close(): void;
}

export interface Taken {
  readonly endpoint: Endpoint;
  end(): void;
}

/** The one endpoint of a model that has no others: its pauses are waited for, and one call tries after each. */
export class SoleEndpoint implements Endpoints {
  readonly all: readonly Endpoint[];
  readonly #endpoint: Endpoint;

  constructor(endpoint: Endpoint) {
    this.#endpoint = endpoint;
    this.all = [endpoint];
  }

  get concurrency(): number {
    return this.#endpoint.limit.current;
  }

  async take(tokens: number, _tried: unknown, endsAt: number): Promise<Taken> {
    const probeEnds = await this.#endpoint.pauseOver(endsAt);
    const end = this.#endpoint.begin(tokens);
    return {
      endpoint: this.#endpoint,
      end() {
        end();
        probeEnds?.();
      },
    };
  }

  failed(): boolean {
    return false;
  }

  canReplace(): boolean {
    return false;
  }

  statuses(): EndpointStatus[] {
    return [statusOf(this.#endpoint)];
  }

  close(): void {}
}

export interface PoolOptions {
  readonly model: string;
  readonly endpoints: readonly Endpoint[];
  readonly concurrency: number;
  readonly clock: Clock;
  readonly log: Log;
  readonly events: EmbedderEvents;
  readonly timeoutMs: number;
  readonly breakerMs: number;
  readonly retries: number;
}

/**
 * Several endpoints of one model. Calls go by their weights, away from those with more tokens outstanding, to endpoints that
 * have shown by their canary that they serve the model, and are neither down nor pausing.
 */
export class EndpointPool implements Endpoints {
  readonly all: readonly Endpoint[];
  readonly #options: PoolOptions;
  readonly #canaries: Canaries;
  /** Tokens of a call, smoothed. */
  #usualTokens = 0;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.all = options.endpoints;
    this.#canaries = new Canaries(options);
  }

  get concurrency(): number {
    const usable = this.#usable();
    // Before anything is known, and while everything is down, calls are made to find out.
    if (usable.length === 0) return this.#options.concurrency;
    const limits = usable.reduce((sum, { limit }) => sum + limit.current, 0);
    return Math.max(1, Math.min(this.#options.concurrency, limits));
  }

  async take(tokens: number, tried: ReadonlySet<Endpoint>, endsAt: number): Promise<Taken> {
    this.#canaries.begin();
    for (;;) {
      const endpoint = this.#pick(tokens, tried);
      if (endpoint) return { endpoint, end: endpoint.begin(tokens) };
      await this.#untilChange(endsAt);
    }
  }

  failed(endpoint: Endpoint, failure: EmbedQLError, tried: ReadonlySet<Endpoint>): boolean {
    const { pause, breaker } = endpoint;
    if (pause.remainingMs > 0) this.#canaries.suspend(endpoint, 'It asks for a pause.', pause.remainingMs);
    else if (!breaker.isClosed) this.#canaries.suspend(endpoint, failure.message, breaker.remainingMs);
    // A wrong key or route, another model's dimension, HTTP 500: it may be the text's fault. The canary says.
    else this.#canaries.doubt(endpoint);
    return this.#usable().some((other) => !tried.has(other));
  }

  canReplace(endpoint: Endpoint): boolean {
    return this.#usable().some((other) => other !== endpoint);
  }

  statuses(): EndpointStatus[] {
    return this.all.map((endpoint) => statusOf(endpoint, this.#canaries.reasonOf(endpoint)));
  }

  close(): void {
    this.#canaries.close();
  }

  #usable(): Endpoint[] {
    return this.all.filter((endpoint) => this.#canaries.isProven(endpoint) && isFree(endpoint));
  }

  #pick(tokens: number, tried: ReadonlySet<Endpoint>): Endpoint | undefined {
    const usable = this.#usable();
    const untried = usable.filter((endpoint) => !tried.has(endpoint));
    const candidates = untried.length > 0 ? untried : usable;
    const free = candidates.filter(({ inFlight, limit }) => inFlight < limit.current);
    this.#keepUp(usable);
    this.#usualTokens += (tokens - this.#usualTokens) / 16;
    return leastLoaded(free.length > 0 ? free : candidates, tokens, this.#usualTokens);
  }

  /** One that was away has not been given its share meanwhile; it is not to make up for it now. */
  #keepUp(usable: readonly Endpoint[]): void {
    for (const endpoint of this.all) if (!usable.includes(endpoint)) endpoint.wasAway = true;
    const present = usable.filter(({ wasAway }) => !wasAway);
    const least = Math.min(...present.map(({ served }) => served));
    for (const endpoint of usable) {
      if (!endpoint.wasAway) continue;
      endpoint.wasAway = false;
      if (Number.isFinite(least)) endpoint.served = Math.max(endpoint.served, least);
    }
  }

  /** Nobody can be called. @throws EmbedQLError where waiting until `endsAt` would not change that */
  async #untilChange(endsAt: number): Promise<void> {
    const { clock, model } = this.#options;
    const isAwaited = this.all.some((endpoint) => this.#canaries.isAwaited(endpoint));
    // Once closed, nobody tells when a pause is over.
    const pausingNow = this.#canaries.isClosed ? [] : this.all;
    const pauses = pausingNow.map(({ pause }) => pause.remainingMs).filter((ms) => ms > 0);
    const pauseMs = Math.ceil(Math.min(...pauses));
    if (!isAwaited && pauses.length === 0) throw this.#allOut();
    if (!isAwaited && clock.now() + pauseMs >= endsAt) throw pausing(model, pauseMs);
    const leftMs = endsAt - clock.now();
    if (leftMs <= 0) throw this.#allOut();
    await this.#canaries.change(leftMs);
  }

  #allOut(): EmbedQLError {
    const { model, breakerMs } = this.#options;
    const reasons = this.statuses().map(
      ({ name, reason = 'it has not answered yet' }) => `${name}: ${reason}`,
    );
    return new EmbedQLError(
      'PROVIDER_ERROR',
      `No endpoint of ${model} can be used; try again later. ${reasons.join(' ')}`.slice(0, 1_000),
      { retryable: true, retryAfterMs: breakerMs },
    );
  }
}

/** Calls that an endpoint may have outstanding, of the usual size, before the others' load is looked at. */
const callsAnyway = 3;
/** Calls for which an endpoint was passed over that it may make up for. */
const callsToMakeUp = 16;

/**
 * The endpoint whose turn it is by the weights, unless it has so much outstanding, for its weight, that another with this call
 * would have less. (By what is outstanding alone, few calls at a time would go to all alike, or to the heaviest only.) One that
 * is passed over may make up for some calls, not for all that it was too slow for.
 * @param usual tokens of a call, as they have been lately
 */
function leastLoaded(candidates: readonly Endpoint[], tokens: number, usual: number): Endpoint | undefined {
  const byTurn = candidates.toSorted((a, b) => a.served - b.served);
  const isNext = ({ outstanding, weight }: Endpoint) => {
    const load = (outstanding - callsAnyway * usual) / weight;
    return !candidates.some((other) => (other.outstanding + tokens) / other.weight < load);
  };
  const next = byTurn.find(isNext);
  if (!next) return undefined;
  for (const endpoint of byTurn.slice(0, byTurn.indexOf(next)))
    endpoint.served = Math.max(endpoint.served, next.served - (callsToMakeUp * usual) / endpoint.weight);
  return next;
}

function statusOf(endpoint: Endpoint, reason?: string): EndpointStatus {
  const { name, inFlight, breaker, pause, model } = endpoint;
  const status = model.status();
  const why =
    reason ??
    (status.available ? undefined : (status.reason ?? 'It is unavailable.')) ??
    (breaker.isClosed ? undefined : 'It failed many times in a row, and is left alone.') ??
    (pause.remainingMs > 0 ? 'It asks for a pause.' : undefined);
  return { name, inFlight, healthy: why === undefined, reason: why };
}
