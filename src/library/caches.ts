import { MemoryCache } from '../cache/memory.ts';
import type { Cache } from '../core/cache.ts';
import { badUserInput } from '../core/errors.ts';
import type { Log } from '../core/surroundings.ts';
import { checkOptions, checkWholeNumber, kindOf } from './options.ts';

/** A cache that an embedder opens for itself, and closes. */
export interface CacheDefinition {
  /** @param surroundings what the embedder gives to its parts. @throws EmbedQLError where the cache cannot be had */
  open(surroundings: { readonly log: Log }): Promise<Cache>;
}

/** How large a memory cache is. */
export interface MemoryCacheOptions {
  /** Bytes that entries may take up together; the least recently used are forgotten first. @default 64,000,000 */
  maxBytes?: number | undefined;
  /** Seconds that an entry lives; 0 means for ever. @default 604,800: a week */
  ttlSeconds?: number | undefined;
}

const week = 604_800;
const tenYears = 315_360_000;

/**
 * Keeps vectors in this process: 64 MB are some 10,000 vectors of 1,536 numbers.
 *
 * @throws {EmbedQLError} `BAD_USER_INPUT` for an option that does not exist or cannot be used
 *
 * @example
 * ```ts
 * await createEmbedder({ models, cache: memoryCache({ maxBytes: 64e6 }) });
 * ```
 */
export function memoryCache(options?: MemoryCacheOptions): CacheDefinition {
  const { maxBytes, ttlSeconds } = readMemoryOptions('memoryCache()', options);
  return { open: async () => new MemoryCache({ maxBytes, ttlSeconds }) };
}

/** Where Redis is, and what it may cost. */
export interface RedisCacheOptions {
  /** `redis://` or `rediss://`; several addresses are the nodes of a cluster. */
  url: string | readonly string[];
  /** Seconds that an entry lives; 0 means for ever. @default 604,800: a week */
  ttlSeconds?: number | undefined;
  /** The memory cache in front; false for none. @default one of 64 MB, with the same life */
  memory?: MemoryCacheOptions | false | undefined;
  /** Milliseconds that a call waits for Redis at most. @default 240 */
  waitMs?: number | undefined;
}

/**
 * Keeps vectors in Redis, so that processes share them; in the format that EmbedQL's server uses, so that it shares
 * them, too. A Redis that is away makes misses, never errors: the memory in front serves until it is back.
 *
 * @throws {EmbedQLError} `BAD_USER_INPUT` for an option that does not exist or cannot be used
 *
 * @example
 * ```ts
 * await createEmbedder({ models, cache: redisCache({ url: 'redis://127.0.0.1:6379' }) });
 * ```
 */
export function redisCache(options: RedisCacheOptions): CacheDefinition {
  const where = 'redisCache()';
  const given = checkOptions(where, options, ['url', 'ttlSeconds', 'memory', 'waitMs']);
  checkWholeNumber(where, given, 'ttlSeconds', 0, tenYears);
  checkWholeNumber(where, given, 'waitMs', 1, 60_000);
  const { ttlSeconds = week, memory = {}, waitMs = 240 } = options;
  // Without memory of its own: a bound that no vector fits under.
  const front = memory === false ? { maxBytes: 1 } : memory;
  const memoryOptions = readMemoryOptions(`${where}: memory`, { ttlSeconds, ...front });
  const urls = readUrls(where, given['url']);
  return {
    async open({ log }) {
      const { forServing, linkRedis } = await import('../cache/redis/connect.ts');
      const { RedisTier } = await import('../cache/redis/redis-tier.ts');
      const { TieredCache } = await import('../cache/tiers.ts');
      // What fails is in the log.
      const events = { cacheError: () => {} };
      const redis = new RedisTier(linkRedis(urls, forServing), { ttlSeconds, waitMs, events, log });
      await redis.ready(startMs);
      return new TieredCache(new MemoryCache(memoryOptions), redis);
    },
  };
}

/** Milliseconds that an embedder waits for Redis before it starts without. */
const startMs = 1_000;

function readMemoryOptions(where: string, options?: MemoryCacheOptions) {
  const given = checkOptions(where, options, ['maxBytes', 'ttlSeconds']);
  checkWholeNumber(where, given, 'maxBytes', 1);
  checkWholeNumber(where, given, 'ttlSeconds', 0, tenYears);
  return { maxBytes: options?.maxBytes ?? 64_000_000, ttlSeconds: options?.ttlSeconds ?? week };
}

function readUrls(where: string, url: unknown): string[] {
  const urls = Array.isArray(url) ? url : [url];
  for (const one of urls) {
    if (typeof one !== 'string') throw badUserInput(`${where}: url must be an address; got ${kindOf(one)}.`);
    // The address may hold a password, so it is not repeated.
    if (!/^rediss?:\/\//.test(one) || !URL.canParse(one))
      throw badUserInput(`${where}: url must be an address such as redis://127.0.0.1:6379.`);
  }
  if (urls.length === 0) throw badUserInput(`${where}: url has no address.`);
  return urls;
}
