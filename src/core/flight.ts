import { costOf } from './accounting.ts';
import type { CacheHit } from './cache.ts';
import { type EmbedQLError, toEmbedQLError } from './errors.ts';
import type { ModelSpec, TextKind } from './model.ts';
import type { Answer, Operation, Reservation, TextRequest } from './request.ts';
import type { Computed, SendTask } from './sender.ts';

/** What a waiter gets in the end. */
export type Outcome = Answer | EmbedQLError;

/** Somebody who waits for a text. */
export interface Waiter {
  readonly operation: Operation;
  readonly useCache: boolean;
  /** False refuses the vector of a text that was cut. */
  readonly truncate: boolean;
  settle(outcome: Outcome): void;
}

/** A model's name and price. */
type PricedModel = Pick<ModelSpec, 'name' | 'costPer1kTokens'>;

/** How a waiter stands with the money that a text may cost. */
type Funds = 'unasked' | 'asked' | 'held' | EmbedQLError;

interface Place {
  readonly waiter: Waiter;
  funds: Funds;
  /** Resolves once the payer has said yes or no. */
  asked: Promise<void> | undefined;
  reservation: Reservation | undefined;
}

/** Money that was set aside by somebody who has gone since, for a text that is under way. */
interface Orphan {
  readonly operation: Operation;
  readonly reservation: Reservation | undefined;
}

/**
 * One text on its way to its vector, however many wait for it. It begins with the first who asks and ends when the
 * vector is here; in between it is looked up, waited for on another replica, or computed.
 */
export class Flight implements SendTask {
  readonly key: string;
  readonly group: Operation;
  /** What the model is told that it is; `doc` where that makes no difference to it. */
  readonly kind: TextKind;
  submittedAt = 0;
  /** As it is sent: with the model's prefix, and cut to its limit once that is known. */
  text: string;
  maxBatchSize: number;
  /** Whether all who asked for it can wait. */
  canWait: boolean;
  maxTokens = 0;
  /** Whether anybody who asked has it kept in the cache. */
  keep: boolean;
  /** Whether this process holds the lease on computing it. */
  claimed = false;
  /** Whether the text was cut; undefined until it has been fitted. */
  truncated: boolean | undefined;
  /** The most that it can cost; undefined until it is to be computed. */
  usd: number | undefined;
  /** Whether it stands in the queue or has been sent. */
  submitted = false;
  ended = false;

  readonly #places = new Map<Waiter, Place>();
  /** Takes it out of the queue. @returns false where it has been sent */
  readonly #cancel: (flight: Flight) => boolean;
  readonly #tooLong: () => EmbedQLError;
  #orphan: Orphan | undefined;

  constructor(options: {
    key: string;
    kind: TextKind;
    request: TextRequest;
    text: string;
    maxBatchSize: number;
    operation: Operation;
    cancel: (flight: Flight) => boolean;
    tooLong: () => EmbedQLError;
  }) {
    this.key = options.key;
    this.kind = options.kind;
    this.text = options.text;
    this.group = options.operation;
    this.keep = options.request.useCache;
    this.maxBatchSize = options.maxBatchSize;
    this.canWait = options.operation.canWait === true;
    this.#cancel = options.cancel;
    this.#tooLong = options.tooLong;
  }

  /** Whether nobody waits for it any more. */
  get deserted(): boolean {
    return this.#places.size === 0;
  }

  /** Whether somebody waits who takes nothing out of the cache. */
  get needsComputing(): boolean {
    for (const { useCache } of this.#places.keys()) if (!useCache) return true;
    return false;
  }

  join(waiter: Waiter): void {
    if (this.truncated && !waiter.truncate) {
      waiter.settle(this.#tooLong());
      return;
    }
    if (waiter.useCache) this.keep = true;
    const place: Place = { waiter, funds: 'unasked', asked: undefined, reservation: undefined };
    this.#places.set(waiter, place);
    if (this.usd !== undefined) void this.#fund([place]);
  }

  /** The waiter has gone, or has waited long enough. Where it was the last, a text that was not sent is not sent. */
  leave(waiter: Waiter, reason: EmbedQLError): void {
    const place = this.#places.get(waiter);
    if (!place) return;
    this.#places.delete(waiter);
    this.#giveUp(place);
    waiter.settle(reason);
    this.#cancelUnpaid();
  }

  /** Fits the text to the model. Those who refuse a cut text are told. */
  fit(text: string, maxTokens: number, truncated: boolean): void {
    this.text = text;
    this.maxTokens = maxTokens;
    this.truncated = truncated;
    if (!truncated) return;
    for (const { waiter } of [...this.#places.values()]) {
      if (!waiter.truncate) this.leave(waiter, this.#tooLong());
    }
  }

  /**
   * It is to be computed, for `usd` at the most: everybody who waits sets that aside.
   * @returns a promise where that takes time; `untilFunded` says how it went
   */
  fund(usd: number): Promise<unknown> | undefined {
    this.usd = usd;
    return this.#fund(this.#places.values());
  }

  /** Whether somebody who waits has a limit to what may be spent. */
  get limited(): boolean {
    for (const { operation } of this.#places.keys()) if (operation.payer?.reserve) return true;
    return false;
  }

  /** Whether somebody who waits can carry the cost. */
  get funded(): boolean {
    for (const { funds } of this.#places.values()) if (funds === 'held') return true;
    return false;
  }

  /** Resolves once somebody can pay, or nobody can: then everybody has been told why, and nobody waits any more. */
  async untilFunded(): Promise<void> {
    while (!this.funded) {
      const asked = [...this.#places.values()].flatMap((place) =>
        place.funds === 'asked' ? [place.asked] : [],
      );
      if (asked.length === 0) break;
      await Promise.all(asked);
    }
    if (this.funded) return;
    for (const { waiter, funds } of [...this.#places.values()]) this.leave(waiter, toEmbedQLError(funds));
  }

  /** It was found in the cache. Those who take nothing out of the cache go on waiting. */
  found(hit: CacheHit, spec: PricedModel): { texts: number; tokens: number } {
    const served = { texts: 0, tokens: 0 };
    for (const place of [...this.#places.values()]) {
      const { waiter } = place;
      if (!waiter.useCache) continue;
      this.#places.delete(waiter);
      place.reservation?.release();
      if (hit.truncated && !waiter.truncate) waiter.settle(this.#tooLong());
      else {
        served.texts += 1;
        served.tokens += hit.tokens;
        waiter.operation.payer?.served?.(spec.name, 1, costOf(hit.tokens, spec));
        waiter.settle(answerOf(hit));
      }
    }
    return served;
  }

  /** The vector is here. The first who waited and can pay carries the cost; nobody else does. */
  land({ vector, tokens, tokensEstimated, call }: Computed, spec: PricedModel): void {
    this.ended = true;
    const usd = costOf(tokens, spec);
    const places = [...this.#places.values()];
    this.#places.clear();
    const carrier = places.find(({ funds }) => funds === 'held');
    const truncated = this.truncated ?? false;
    for (const place of places) {
      const costUsd = place === carrier ? usd : 0;
      if (place !== carrier) place.reservation?.release();
      const estimate = tokensEstimated ? { tokensEstimated } : undefined;
      place.waiter.settle({ vector, tokens, truncated, call, source: 'provider', costUsd, ...estimate });
    }
    const { operation, reservation } = carrier
      ? { operation: carrier.waiter.operation, reservation: carrier.reservation }
      : (this.#orphan ?? { operation: this.group, reservation: undefined });
    if (carrier) this.#orphan?.reservation?.release();
    reservation?.settle(usd);
    operation.payer?.charged(usd, tokens, spec.name, tokensEstimated);
  }

  /** It has failed for good. */
  fail(error: unknown): void {
    this.ended = true;
    const failure = toEmbedQLError(error);
    for (const place of [...this.#places.values()]) {
      this.#places.delete(place.waiter);
      place.reservation?.release();
      place.waiter.settle(failure);
    }
    this.#orphan?.reservation?.release();
  }

  #fund(places: Iterable<Place>): Promise<unknown> | undefined {
    const usd = this.usd ?? 0;
    const asked: Array<Promise<void>> = [];
    for (const place of places) {
      const { payer } = place.waiter.operation;
      if (!payer?.reserve || usd === 0) place.funds = 'held';
      else {
        place.funds = 'asked';
        place.asked = this.#ask(place, payer.reserve(usd));
        asked.push(place.asked);
      }
    }
    return asked.length > 0 ? Promise.all(asked) : undefined;
  }

  async #ask(place: Place, asked: Promise<Reservation>): Promise<void> {
    try {
      const reservation = await asked;
      if (this.#places.has(place.waiter)) {
        place.funds = 'held';
        place.reservation = reservation;
      } else reservation.release();
    } catch (error) {
      place.funds = toEmbedQLError(error);
    }
    if (this.submitted) this.#cancelUnpaid();
  }

  /** What a waiter who goes has set aside is kept where the text has been sent and nobody else pays for it. */
  #giveUp({ waiter, funds, reservation }: Place): void {
    if (this.submitted && funds === 'held' && !this.funded) {
      this.#orphan?.reservation?.release();
      this.#orphan = { operation: waiter.operation, reservation };
    } else reservation?.release();
  }

  /** Takes it out of the queue where nobody who waits can pay for it. One that has been sent lands all the same. */
  #cancelUnpaid(): void {
    if (!this.submitted || this.ended) return;
    for (const { funds } of this.#places.values()) if (funds === 'held' || funds === 'asked') return;
    if (!this.#cancel(this)) return;
    this.ended = true;
    this.#orphan?.reservation?.release();
    this.#orphan = undefined;
    for (const { waiter, funds } of [...this.#places.values()]) {
      this.#places.delete(waiter);
      waiter.settle(toEmbedQLError(funds));
    }
  }
}

/** The answer that a hit is. */
export function answerOf({ vector, tokens, truncated, tier }: CacheHit): Answer {
  return { vector, tokens, truncated, source: tier, costUsd: 0 };
}
