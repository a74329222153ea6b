import type { Cluster, Redis } from 'ioredis';
import {
  type RateLimiterAbstract,
  RateLimiterMemory,
  RateLimiterRedis,
  type RateLimiterRes,
} from 'rate-limiter-flexible';
import { EmbedQLError } from '../core/errors.ts';
import type { Payer } from '../core/request.ts';
import type { KeyLimit, KeyLimits } from './key-limits.ts';

/** Money is counted in whole billionths of a dollar, so that a million small costs lose nothing to rounding. */
const nanosPerUsd = 1e9;

/** Told of what a key was charged. */
export type ChargeEvent = (key: string, usd: number, tokens: number) => void;

interface Limiters {
  limit: KeyLimit;
  texts: RateLimiterAbstract | undefined;
  nanos: RateLimiterAbstract | undefined;
}

/**
 * What each key may still ask for and spend. Counted in Redis where there is one, so that replicas share it; in
 * this process where there is none, or while it is away.
 */
export class KeyBudgets {
  readonly #limits: KeyLimits;
  readonly #redis: Redis | Cluster | undefined;
  readonly #onCharge: ChargeEvent;
  readonly #limiters = new Map<string, Limiters>();

  constructor(limits: KeyLimits, redis: Redis | Cluster | undefined, onCharge: ChargeEvent) {
    this.#limits = limits;
    this.#redis = redis;
    this.#onCharge = onCharge;
  }

  /** Whether a key has any limit. */
  limits(key: string): boolean {
    return this.#limitOf(key) !== undefined;
  }

  payer(key: string): Payer {
    const charge = (usd: number, tokens: number) => {
      this.#onCharge(key, usd, tokens);
      const nanos = Math.round(usd * nanosPerUsd);
      // Lost where even the memory fails, which it does not; never a reason to fail an answer.
      if (nanos > 0)
        this.#limitersOf(key)
          ?.nanos?.penalty(key, nanos)
          .catch(() => {});
    };
    return { key, refusal: undefined, charge };
  }

  /**
   * Takes `texts` out of the minute's budget, and finds out whether the day's money is spent: then only what costs
   * nothing is left, and the payer says so. @returns why the texts may not be had.
   */
  async take(payer: Payer, texts: number): Promise<EmbedQLError | undefined> {
    const limiters = this.#limitersOf(payer.key);
    if (!limiters) return undefined;
    const [refusal, spent] = await Promise.all([
      this.#takeTexts(limiters, payer.key, texts),
      limiters.nanos?.get(payer.key),
    ]);
    const { usdPerDay } = limiters.limit;
    if (spent && usdPerDay !== undefined && spent.consumedPoints >= usdPerDay * nanosPerUsd) {
      payer.refusal = limited(
        `The key ${payer.key} has spent its ${usdPerDay} USD for the day; what is cached it still gets.`,
        spent.msBeforeNext,
      );
    }
    return refusal;
  }

  async #takeTexts(
    { limit: { textsPerMinute }, texts: limiter }: Limiters,
    key: string,
    texts: number,
  ): Promise<EmbedQLError | undefined> {
    if (!limiter || textsPerMinute === undefined) return undefined;
    if (texts > textsPerMinute)
      return new EmbedQLError(
        'COST_LIMIT_EXCEEDED',
        `${texts} texts are more than the ${textsPerMinute} that the key ${key} may ask for in a minute; split them.`,
      );
    try {
      await limiter.consume(key, texts);
      return undefined;
    } catch (rejection) {
      if (rejection instanceof Error) throw rejection;
      // What was refused is not counted, or somebody who asks again and again would never get anything.
      await limiter.reward(key, texts).catch(() => {});
      return limited(
        `The key ${key} has asked for its ${textsPerMinute} texts of this minute; try again when it is over.`,
        (rejection as RateLimiterRes).msBeforeNext,
      );
    }
  }

  #limitOf(key: string): KeyLimit | undefined {
    return this.#limits.get(key) ?? this.#limits.get('*');
  }

  #limitersOf(key: string): Limiters | undefined {
    const known = this.#limiters.get(key);
    if (known) return known;
    const limit = this.#limitOf(key);
    if (!limit) return undefined;
    const { textsPerMinute, usdPerDay } = limit;
    const limiters: Limiters = {
      limit,
      texts: textsPerMinute === undefined ? undefined : this.#limiter('minute', textsPerMinute, 60),
      nanos: usdPerDay === undefined ? undefined : this.#limiter('day', usdPerDay * nanosPerUsd, 86_400),
    };
    this.#limiters.set(key, limiters);
    return limiters;
  }

  #limiter(window: string, points: number, duration: number): RateLimiterAbstract {
    const options = { keyPrefix: `embed:limit:${window}`, points, duration };
    const memory = new RateLimiterMemory(options);
    if (!this.#redis) return memory;
    return new RateLimiterRedis({
      ...options,
      storeClient: this.#redis,
      rejectIfRedisNotReady: true,
      insuranceLimiter: memory,
    });
  }
}

function limited(message: string, retryAfterMs: number): EmbedQLError {
  return new EmbedQLError('RATE_LIMITED', message, {
    retryable: true,
    retryAfterMs: Math.max(1, Math.ceil(retryAfterMs)),
  });
}
