import {
  type RateLimiterAbstract,
  RateLimiterMemory,
  RateLimiterRedis,
  type RateLimiterRes,
} from 'rate-limiter-flexible';
import { EmbedQLError } from '../core/errors.ts';
import type { Account, Payer, Reservation } from '../core/request.ts';
import type { KeyLimit, KeyLimits } from './key-limits.ts';
import { type MoneyStore, memoryMoney, nanosPerUsd } from './money.ts';
import { type KeptMoney, Purse } from './purse.ts';
import { redisMoney, type SharedRedis } from './redis-money.ts';

/** Told of what a key was charged. */
export type ChargeEvent = (key: string, usd: number, tokens: number) => void;

/** Where what is done in the name of a key, and under a tag, is booked. */
export type AccountOf = (key: string, tag: string | undefined) => Account;

export interface KeyBudgetsOptions {
  limits: KeyLimits;
  /** Where replicas share what their keys have had. Default: this process counts for itself. */
  redis?: SharedRedis | undefined;
  /** Milliseconds after which money that a dead process has set aside is free again. */
  holdMs: number;
  onCharge: ChargeEvent;
  /** Default: nobody keeps books. */
  accountOf?: AccountOf | undefined;
}

/** The day's money of a key is spent: nothing helps before midnight, UTC. */
export class SpentError extends EmbedQLError {
  constructor(message: string) {
    super('RATE_LIMITED', message, { retryable: true, retryAfterMs: untilMidnightMs() });
  }
}

/** What is left to a key of its minute, in texts. */
export interface MinuteBudget {
  readonly limit: number;
  readonly remaining: number;
  /** Milliseconds until all of it is there again. */
  readonly resetMs: number;
}

interface Limiters {
  limit: KeyLimit;
  texts: RateLimiterAbstract | undefined;
  /** What was left when it was last asked, and until when that holds. */
  seen: { remaining: number; resetAt: number } | undefined;
  /** The connection that it was made for. */
  client: unknown;
}

/** Money that is asked for in one moment. */
interface Asked {
  nanos: number;
  resolve(reservation: Reservation): void;
  reject(error: unknown): void;
}

/**
 * What each key may still ask for and spend. Counted in Redis where there is one, so that replicas share it; in
 * this process where there is none, or while it is away.
 */
export class KeyBudgets {
  readonly #options: KeyBudgetsOptions;
  readonly #limiters = new Map<string, Limiters>();
  readonly #money: MoneyStore;
  /** By key. */
  readonly #asked = new Map<string, Asked[]>();

  constructor(options: KeyBudgetsOptions) {
    this.#options = options;
    this.#money = options.redis ? redisMoney(options.redis, options.holdMs) : memoryMoney();
  }

  /** Whether the number of texts of a key is limited. */
  limitsTexts(key: string): boolean {
    return this.#limitOf(key)?.textsPerMinute !== undefined;
  }

  /**
   * Who pays with this key. Where its money is limited, all that may be spent is set aside before.
   * @param tag what the client calls what it does
   */
  payer(key: string, tag?: string): Payer {
    const { onCharge, accountOf } = this.#options;
    const payer = new KeyPayer(key, onCharge, accountOf?.(key, tag));
    const usdPerDay = this.#limitOf(key)?.usdPerDay;
    if (usdPerDay !== undefined) payer.reserve = (usd) => this.#reserve(key, usdPerDay, usd);
    return payer;
  }

  /**
   * Sets aside what a job can cost, for as long as it may take.
   * @param id names it, for whoever goes on with the job. @throws (rejects) SpentError where it is more than is left of the day
   */
  async openPurse(key: string, id: string, usd: number, holdMs: number): Promise<Purse> {
    const usdPerDay = this.#limitOf(key)?.usdPerDay;
    const payer = this.payer(key);
    if (usdPerDay === undefined) return new Purse(payer, undefined);
    const nanos = wholeNanos(usd);
    const day = today();
    const hold = await this.#money.hold({
      key,
      day,
      limit: wholeNanos(usdPerDay),
      amounts: [nanos],
      lasting: { id, holdMs },
    });
    if (!hold.granted[0])
      throw new SpentError(
        `The job would cost ${usd} USD, more than is left to the key ${key} of its ${usdPerDay} USD for the day.`,
      );
    return new Purse(payer, { day, left: nanos, hold });
  }

  /** Goes on with what was set aside for a job. @param tag what its texts are booked under */
  adoptPurse(key: string, id: string, kept: KeptMoney | undefined, tag?: string): Purse {
    const payer = this.payer(key, tag);
    if (!kept || !payer.reserve) return new Purse(payer, undefined);
    const hold = this.#money.adopt({ key, id, day: kept.day, amount: kept.left });
    return new Purse(payer, { ...kept, hold });
  }

  /** Whether the money of a key is limited. */
  limitsMoney(key: string): boolean {
    return this.#limitOf(key)?.usdPerDay !== undefined;
  }

  /** What is left to a key of its minute, as it was when it last took something; undefined where that is not known. */
  minute(key: string): MinuteBudget | undefined {
    const { limit, seen } = this.#limiters.get(key) ?? {};
    if (limit?.textsPerMinute === undefined || !seen) return undefined;
    const resetMs = Math.max(0, seen.resetAt - Date.now());
    return {
      limit: limit.textsPerMinute,
      remaining: resetMs > 0 ? seen.remaining : limit.textsPerMinute,
      resetMs,
    };
  }

  /** Takes `texts` out of the minute's budget. @returns why they may not be had */
  async take(key: string, texts: number): Promise<EmbedQLError | undefined> {
    const limiters = this.#limitersOf(key);
    const limiter = limiters?.texts;
    const textsPerMinute = limiters?.limit.textsPerMinute;
    if (!limiter || textsPerMinute === undefined) return undefined;
    if (texts > textsPerMinute)
      return new EmbedQLError(
        'COST_LIMIT_EXCEEDED',
        `The operation asks for ${texts} texts; the key ${key} may ask for ${textsPerMinute} a minute. Split it.`,
      );
    const see = ({ consumedPoints, msBeforeNext }: RateLimiterRes, refused = 0) => {
      limiters.seen = {
        remaining: Math.max(0, textsPerMinute - (consumedPoints - refused)),
        resetAt: Date.now() + msBeforeNext,
      };
    };
    try {
      see(await limiter.consume(key, texts));
      return undefined;
    } catch (rejection) {
      if (rejection instanceof Error) throw rejection;
      see(rejection as RateLimiterRes, texts);
      // What was refused is not counted, or somebody who asks again and again would never get anything.
      await limiter.reward(key, texts).catch(() => {});
      return limited(
        `The key ${key} has used its ${textsPerMinute} texts of this minute; try again after it.`,
        (rejection as RateLimiterRes).msBeforeNext,
      );
    }
  }

  /** What is asked for in one moment travels together. */
  #reserve(key: string, usdPerDay: number, usd: number): Promise<Reservation> {
    return new Promise((resolve, reject) => {
      const asked = this.#asked.get(key) ?? [];
      asked.push({ nanos: wholeNanos(usd), resolve, reject });
      if (asked.length > 1) return;
      this.#asked.set(key, asked);
      queueMicrotask(() => {
        this.#asked.delete(key);
        void this.#hold(key, usdPerDay, asked);
      });
    });
  }

  /** Never rejects: each request gets its answer. */
  async #hold(key: string, usdPerDay: number, asked: readonly Asked[]): Promise<void> {
    try {
      const amounts = asked.map(({ nanos }) => nanos);
      const hold = await this.#money.hold({ key, day: today(), limit: wholeNanos(usdPerDay), amounts });
      const refusal = new SpentError(
        `The key ${key} has spent its ${usdPerDay} USD for the day, or what is left is less than this can cost; what is cached it still gets.`,
      );
      for (const [i, { nanos, resolve, reject }] of asked.entries()) {
        if (!hold.granted[i]) reject(refusal);
        else
          resolve({
            settle: (usd) => hold.settle(nanos, Math.round(usd * nanosPerUsd)),
            release: () => hold.settle(nanos, 0),
          });
      }
    } catch (error) {
      for (const { reject } of asked) reject(error);
    }
  }

  #limitOf(key: string): KeyLimit | undefined {
    const { limits } = this.#options;
    return limits.get(key) ?? limits.get('*');
  }

  #limitersOf(key: string): Limiters | undefined {
    const client = this.#options.redis?.client;
    const known = this.#limiters.get(key);
    if (known && known.client === client) return known;
    const limit = this.#limitOf(key);
    if (!limit) return undefined;
    const { textsPerMinute } = limit;
    const texts = textsPerMinute === undefined ? undefined : this.#limiter(textsPerMinute, client);
    const limiters: Limiters = { limit, texts, client, seen: undefined };
    this.#limiters.set(key, limiters);
    return limiters;
  }

  #limiter(points: number, client: SharedRedis['client'] | undefined): RateLimiterAbstract {
    const options = { keyPrefix: '{embedql}:limit:minute', points, duration: 60 };
    const memory = new RateLimiterMemory(options);
    if (!client) return memory;
    return new RateLimiterRedis({
      ...options,
      storeClient: client,
      rejectIfRedisNotReady: true,
      insuranceLimiter: memory,
    });
  }
}

/** One for each operation: what it does is a few calls further. */
class KeyPayer implements Payer {
  readonly key: string;
  reserve?: (usd: number) => Promise<Reservation>;
  readonly #onCharge: ChargeEvent;
  readonly #account: Account | undefined;

  constructor(key: string, onCharge: ChargeEvent, account: Account | undefined) {
    this.key = key;
    this.#onCharge = onCharge;
    this.#account = account;
  }

  asked(model: string, texts: number): void {
    this.#account?.asked(model, texts);
  }

  served(model: string, texts: number, usd: number): void {
    this.#account?.served(model, texts, usd);
  }

  charged(usd: number, tokens: number, model: string, tokensEstimated?: boolean): void {
    this.#onCharge(this.key, usd, tokens);
    this.#account?.charged(usd, tokens, model, tokensEstimated);
  }
}

const dayMs = 86_400_000;

/** Rounded up, except for what is only the rounding of floats: what costs exactly the day's money is within it. */
function wholeNanos(usd: number): number {
  return Math.ceil(Number((usd * nanosPerUsd).toFixed(4)));
}

function today(): string {
  return new Date().toISOString().slice(0, 10);
}

function untilMidnightMs(): number {
  return dayMs - (Date.now() % dayMs);
}

function limited(message: string, retryAfterMs: number): EmbedQLError {
  return new EmbedQLError('RATE_LIMITED', message, {
    retryable: true,
    retryAfterMs: Math.max(1, Math.ceil(retryAfterMs)),
  });
}
