import {
  type RateLimiterAbstract,
  RateLimiterMemory,
  RateLimiterRedis,
  type RateLimiterRes,
} from 'rate-limiter-flexible';
import { EmbedQLError } from '../core/errors.ts';
import type { Account, Payer, Reservation } from '../core/request.ts';
import type { KeyLimit, KeyLimits } from './key-limits.ts';
import { memoryMoney } from './money.ts';
import { type LowMoneyEvent, MoneyBudgets, type MoneyLeft } from './money-budgets.ts';
import type { KeptMoney, Purse } from './purse.ts';
import { redisMoney, type SharedRedis } from './redis-money.ts';

/** Told of what a key was charged. */
export type ChargeEvent = (key: string, usd: number, tokens: number) => void;

/** Where what is done in the name of a key, and under a tag, is booked. @param job whose batches bring it */
export type AccountOf = (key: string, tag: string | undefined, job: string | undefined) => Account;

export interface KeyBudgetsOptions {
  limits: KeyLimits;
  /** Where replicas share what their keys have had. Default: this process counts for itself. */
  redis?: SharedRedis | undefined;
  /** Milliseconds after which money that a dead process has set aside is free again. */
  holdMs: number;
  onCharge: ChargeEvent;
  /** Told when a key has used 80 % of its money. */
  onLow?: LowMoneyEvent | undefined;
  /** Default: nobody keeps books. */
  accountOf?: AccountOf | undefined;
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

/**
 * What each key may still ask for and spend. Counted in Redis where there is one, so that replicas share it; in
 * this process where there is none, or while it is away.
 */
export class KeyBudgets {
  readonly #options: KeyBudgetsOptions;
  readonly #limiters = new Map<string, Limiters>();
  readonly #money: MoneyBudgets;

  constructor(options: KeyBudgetsOptions) {
    this.#options = options;
    this.#money = new MoneyBudgets({
      store: options.redis ? redisMoney(options.redis, options.holdMs) : memoryMoney(),
      limitOf: (key) => this.#limitOf(key),
      onLow: options.onLow ?? (() => {}),
    });
  }

  /** Whether the number of texts of a key is limited. */
  limitsTexts(key: string): boolean {
    return this.#limitOf(key)?.textsPerMinute !== undefined;
  }

  /**
   * Who pays with this key. Where its money is limited, all that may be spent is set aside before.
   * @param tag what the client calls what it does
   * @param job whose batches bring what is paid
   */
  payer(key: string, tag?: string, job?: string): Payer {
    const { onCharge, accountOf } = this.#options;
    const payer = new KeyPayer(key, onCharge, accountOf?.(key, tag, job));
    if (this.#money.isLimited(key)) payer.reserve = (usd) => this.#money.reserve(key, usd);
    return payer;
  }

  /**
   * Sets aside what a job can cost, for as long as it may take.
   * @param id names it, for whoever goes on with the job. @throws (rejects) SpentError where it is more than is left
   */
  openPurse(key: string, id: string, usd: number, holdMs: number): Promise<Purse> {
    return this.#money.openPurse(this.payer(key), id, usd, holdMs);
  }

  /** Goes on with what was set aside for a job. @param tag what its texts are booked under */
  adoptPurse(key: string, id: string, kept: KeptMoney | undefined, tag?: string): Purse {
    return this.#money.adoptPurse(this.payer(key, tag), id, kept, this.payer(key, tag, id));
  }

  /** Whether the money of a key is limited. */
  limitsMoney(key: string): boolean {
    return this.#money.isLimited(key);
  }

  /** What is left to a key of its money, as far as is known; empty where that has no limit. */
  moneyLeft(key: string): MoneyLeft[] {
    return this.#money.left(key);
  }

  /** The same for every key that has asked for something. */
  allMoneyLeft(): Array<MoneyLeft & { key: string }> {
    return this.#money.all();
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

function limited(message: string, retryAfterMs: number): EmbedQLError {
  return new EmbedQLError('RATE_LIMITED', message, {
    retryable: true,
    retryAfterMs: Math.max(1, Math.ceil(retryAfterMs)),
  });
}
