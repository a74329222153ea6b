import type { Clock, Timer } from '../../core/clock.ts';
import { EmbedQLError } from '../../core/errors.ts';
import type { EmbedderEvents } from '../../core/events.ts';
import type { Log } from '../../core/surroundings.ts';
import { cosineSimilarity } from '../../core/vectors.ts';
import { OpenError } from './breaker.ts';
import type { Endpoint } from './endpoint.ts';
import { backoffMs } from './failures.ts';

/** What every endpoint is asked before it gets anybody's text. It says nothing and never changes. */
export const canaryText = 'The canary sings at every endpoint, and the song must be the same.';

/** Two vectors of one text by one model are at least so near to each other (contract, section 6). */
const sameModel = 0.999;
/** Milliseconds after which an endpoint is asked again, all being well. */
const everyMs = 3_600_000;
/** The same for one that is shut out: somebody may have mended it. */
const shutOutMs = 60_000;
/** The most milliseconds for an answer to a few words. Those who ask first wait for it. */
const longestMs = 10_000;

/** How an endpoint stands. */
type Proof =
  /** It has not answered yet, or nothing has been decided. */
  | 'unknown'
  /** It gives the model's vectors. */
  | 'proven'
  /** It did not answer when it was asked last, or is left alone. */
  | 'silent'
  /** It gives another model's vectors. */
  | 'shut out';

interface State {
  /** Of the fixed text, when it answered last; it stays a vote when the endpoint falls silent. */
  vector: Float32Array | undefined;
  /** Why it is silent. */
  silence: string | undefined;
  /** How near its vector is to those that are believed; undefined where that is not decided. */
  likeness: number | undefined;
  /** What was told last. */
  told: Proof;
  checking: boolean;
  /** When it was asked last. */
  askedAt: number;
  timer: Timer | undefined;
}

export interface CanariesOptions {
  readonly model: string;
  readonly endpoints: readonly Endpoint[];
  readonly clock: Clock;
  readonly log: Log;
  readonly events: EmbedderEvents;
  readonly timeoutMs: number;
  /** Milliseconds after which an endpoint that failed is asked again. */
  readonly breakerMs: number;
  /** Attempts after the first for somebody's text. */
  readonly retries: number;
}

/**
 * Asks every endpoint of a model for the vector of one fixed text: before its first text, when it comes back, and every
 * hour. One whose vector differs from the others' serves another model, and gets nothing: the majority decides, else the
 * endpoint that is listed first.
 */
export class Canaries {
  readonly #options: CanariesOptions;
  readonly #states: ReadonlyMap<Endpoint, State>;
  #tellChange: () => void = () => {};
  #change: Promise<void> = Promise.resolve();
  #begun = false;
  #closed = false;

  constructor(options: CanariesOptions) {
    this.#options = options;
    this.#states = new Map(
      options.endpoints.map((endpoint) => [
        endpoint,
        {
          ...{ vector: undefined, silence: undefined, likeness: undefined, timer: undefined },
          ...{ told: 'unknown', checking: false, askedAt: Number.NEGATIVE_INFINITY },
        } satisfies State,
      ]),
    );
    this.#armChange();
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** Resolves when something about an endpoint has changed, after `ms` at the latest. */
  change(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#options.clock.after(ms, resolve);
      void this.#change.then(() => {
        timer.cancel();
        resolve();
      });
    });
  }

  /** Asks all of them, once: the first time that anybody has a text. */
  begin(): void {
    if (this.#begun) return;
    this.#begun = true;
    for (const endpoint of this.#states.keys()) this.check(endpoint);
  }

  /** Whether an endpoint gives the model's vectors, and has answered when it was asked last. */
  isProven(endpoint: Endpoint): boolean {
    return proofOf(this.#state(endpoint)) === 'proven';
  }

  /** Whether an endpoint is being asked, and nobody's text can go to it before it has answered. */
  isAwaited(endpoint: Endpoint): boolean {
    const state = this.#state(endpoint);
    return state.checking && proofOf(state) !== 'proven';
  }

  /** Milliseconds until an endpoint that gets nothing is asked again, as far as that is known. */
  waitMs(endpoint: Endpoint): number {
    return Math.max(endpoint.pause.remainingMs, endpoint.breaker.remainingMs);
  }

  /** Why an endpoint gets nothing. */
  reasonOf(endpoint: Endpoint): string | undefined {
    const state = this.#state(endpoint);
    if (state.silence !== undefined) return state.silence;
    if (proofOf(state) !== 'shut out') return undefined;
    return `its vector of a fixed text differs from the others' (cosine ${state.likeness!.toFixed(3)}): it serves another model`;
  }

  /** An endpoint gets nothing until it has been asked again, which is in `ms`. */
  suspend(endpoint: Endpoint, reason: string, ms: number): void {
    this.#state(endpoint).silence = reason;
    this.#schedule(endpoint, ms);
    this.#decide();
  }

  /** Asks an endpoint again about which there are doubts; not more often than one that is down. */
  doubt(endpoint: Endpoint): void {
    const { clock, breakerMs } = this.#options;
    if (clock.now() - this.#state(endpoint).askedAt >= breakerMs) this.check(endpoint);
  }

  /** Asks an endpoint, unless that is under way. Never throws. */
  check(endpoint: Endpoint): void {
    const state = this.#state(endpoint);
    if (state.checking || this.#closed) return;
    const waitMs = this.waitMs(endpoint);
    if (waitMs > 0) {
      this.#schedule(endpoint, waitMs);
      return;
    }
    const { available, reason = 'It is unavailable.' } = endpoint.model.status();
    if (!available) {
      this.suspend(endpoint, reason, everyMs);
      return;
    }
    state.checking = true;
    state.askedAt = this.#options.clock.now();
    void this.#ask(endpoint, state)
      .catch((error: unknown) => {
        state.silence = error instanceof EmbedQLError ? error.message : 'it failed for an unknown reason.';
        this.#schedule(endpoint, this.waitMs(endpoint) || this.#options.breakerMs);
      })
      .finally(() => {
        state.checking = false;
        this.#decide();
        if (proofOf(state) === 'shut out') this.#schedule(endpoint, shutOutMs);
      });
  }

  close(): void {
    this.#closed = true;
    for (const { timer } of this.#states.values()) timer?.cancel();
    this.#tellChange();
    // Those who wait for what is under way wait for that, and not in circles.
    this.#armChange();
  }

  async #ask(endpoint: Endpoint, state: State): Promise<void> {
    const vector = await this.#patientVectorOf(endpoint, state);
    endpoint.tested();
    // What it gave before has been decided; anything else has to be.
    if (state.vector && cosineSimilarity(vector, state.vector) < sameModel) state.likeness = undefined;
    state.vector = vector;
    state.silence = undefined;
    // Others may have been asked for a pause meanwhile; when it is over, those who wait have to be told.
    this.#schedule(endpoint, this.waitMs(endpoint) || everyMs);
  }

  /** What may have passed is tried again: once at once, then, while nobody else can be asked, as somebody's text would be. */
  async #patientVectorOf(endpoint: Endpoint, state: State): Promise<Float32Array> {
    const { clock, retries } = this.#options;
    for (let number = 1; ; number++) {
      try {
        return await this.#vectorOf(endpoint);
      } catch (error) {
        const isFirst = number === 1;
        const isWorthIt = isFirst
          ? mayHavePassed(error, proofOf(state))
          : number <= retries + 1 && isPassing(error) && this.#isLast(endpoint);
        if (this.#closed || this.waitMs(endpoint) > 0 || !isWorthIt) throw error;
        const endsAt = clock.now() + (isFirst ? 0 : backoffMs(clock, number - 1));
        for (let left = endsAt - clock.now(); left > 0; left = endsAt - clock.now()) {
          await this.change(left);
          if (this.#closed || !this.#isLast(endpoint)) throw error;
        }
      }
    }
  }

  /** Whether no other endpoint can be called, nor could if it were believed. */
  #isLast(endpoint: Endpoint): boolean {
    return !this.#options.endpoints.some((other) => {
      const { vector, silence } = this.#state(other);
      const hasAnswered = vector !== undefined && silence === undefined;
      return other !== endpoint && hasAnswered && proofOf(this.#state(other)) !== 'shut out' && isFree(other);
    });
  }

  async #vectorOf(endpoint: Endpoint): Promise<Float32Array> {
    const { clock, events, model, timeoutMs } = this.#options;
    const started = clock.now();
    const tell = (outcome: 'ok' | EmbedQLError['code'], tokens = 0, tokensEstimated = false) => {
      const seconds = (clock.now() - started) / 1000;
      events.canary?.({ model, endpoint: endpoint.name, seconds, outcome, tokens, tokensEstimated });
    };
    const end = endpoint.begin(0);
    try {
      const [embedded] = await endpoint.attempt(
        { texts: [canaryText], kind: 'doc', timeoutMs: Math.min(timeoutMs, longestMs) },
        (outcome) => outcome !== 'ok' && tell(outcome),
      );
      tell('ok', embedded!.tokens, embedded!.tokensEstimated);
      return embedded!.vector;
    } finally {
      end();
    }
  }

  /**
   * Compares what is known, and tells what has changed. While one is still awaited, only those are believed who are more than
   * half of all: nobody's text goes to an endpoint that the others could outvote.
   */
  #decide(): void {
    const states = [...this.#states.values()];
    const voters = states.filter(({ vector }) => vector !== undefined);
    const awaited = states.filter(({ checking, vector }) => checking && vector === undefined).length;
    const believed = believedOf(
      voters.map(({ vector }) => vector!),
      voters.length + awaited,
    );
    if (believed) for (const state of voters) state.likeness = cosineSimilarity(state.vector!, believed);
    for (const [endpoint, state] of this.#states) this.#tell(endpoint, state);
    this.#tellChange();
    this.#armChange();
  }

  #tell(endpoint: Endpoint, state: State): void {
    const proof = proofOf(state);
    const { told } = state;
    if (proof === told || proof === 'unknown') return;
    state.told = proof;
    const { log, model } = this.#options;
    const fields = { model, endpoint: endpoint.name };
    if (proof === 'proven') log.info(fields, told === 'unknown' ? 'endpoint is in use' : 'endpoint is back');
    else if (proof === 'silent') log.warn({ ...fields, reason: state.silence }, 'endpoint is out');
    else {
      this.#schedule(endpoint, shutOutMs);
      log.error({ ...fields, reason: this.reasonOf(endpoint) }, 'endpoint is shut out');
      if (told !== 'proven') return;
      log.error(
        fields,
        `Texts of ${model} went to an endpoint that the others contradict now; if it has served another model before, clear the cache.`,
      );
    }
  }

  #schedule(endpoint: Endpoint, ms: number): void {
    const state = this.#state(endpoint);
    state.timer?.cancel();
    if (this.#closed) return;
    state.timer = this.#options.clock.after(Math.ceil(ms), () => this.check(endpoint));
    state.timer.unref?.();
  }

  #state(endpoint: Endpoint): State {
    return this.#states.get(endpoint)!;
  }

  #armChange(): void {
    this.#change = new Promise((resolve) => {
      this.#tellChange = resolve;
    });
  }
}

/** One that was well may have had a bad moment. So may one of which nothing is known, but no time is waited for it twice. */
function mayHavePassed(error: unknown, proof: Proof): boolean {
  if (proof === 'proven') return !(error instanceof OpenError);
  return proof === 'unknown' && isPassing(error);
}

function isPassing(error: unknown): boolean {
  return error instanceof EmbedQLError && error.retryable && error.code !== 'PROVIDER_TIMEOUT';
}

/** Whether an endpoint is neither down nor pausing. */
export function isFree({ breaker, pause }: Endpoint): boolean {
  return breaker.isClosed && pause.remainingMs === 0;
}

function proofOf({ silence, likeness }: State): Proof {
  if (silence !== undefined) return 'silent';
  if (likeness === undefined) return 'unknown';
  return likeness >= sameModel ? 'proven' : 'shut out';
}

/**
 * The vector that is believed: that of more than half of all, else the first, where all have answered that will.
 * @param vectors in the order of the list. @param all those who have a vote, the awaited included
 */
function believedOf(vectors: readonly Float32Array[], all: number): Float32Array | undefined {
  for (const vector of vectors) {
    const alike = vectors.filter((other) => cosineSimilarity(vector, other) >= sameModel).length;
    if (alike * 2 > all) return vector;
  }
  return vectors.length === all ? vectors[0] : undefined;
}
