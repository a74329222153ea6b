import type { DiskTier } from '../cache/disk/disk-tier.ts';
import { MemoryCache } from '../cache/memory.ts';
import type { Cache } from '../core/cache.ts';
import { badUserInput } from '../core/errors.ts';
import type { CacheEvents } from '../core/events.ts';
import type { Log } from '../core/surroundings.ts';
import { checkOptions, checkWholeNumber, type Given, kindOf } from './options.ts';

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
const terabyte = 1_000_000_000_000;

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

/** Where vectors outlive the process, and how many. */
export interface DiskFolder {
  /** A folder of this machine; made where it is not there. One process writes to it, others go without meanwhile. */
  dir: string;
  /** Bytes that the files may take up together; the oldest go first, unless they are in use. @default 1,024,000,000 */
  maxBytes?: number | undefined;
}

/** A folder, and what is in front of it. */
export interface DiskCacheOptions extends DiskFolder {
  /** Seconds that an entry lives; 0 means for ever. @default 604,800: a week */
  ttlSeconds?: number | undefined;
  /** The memory cache in front; false for none. @default one of 64 MB, with the same life */
  memory?: MemoryCacheOptions | false | undefined;
}

/**
 * Keeps vectors in a folder, so that they outlive this process: what was computed once is not paid again after a restart. A
 * folder that cannot be had, is damaged or full makes misses and a line in the log, never errors. EmbedQL's server shares the
 * format, and the folder with whoever comes after it. Together with Redis: `redisCache({ url, disk: { dir } })`.
 *
 * @throws {EmbedQLError} `BAD_USER_INPUT` for an option that does not exist or cannot be used
 *
 * @example
 * ```ts
 * await createEmbedder({ models, cache: diskCache({ dir: './cache' }) });
 * ```
 */
export function diskCache(options: DiskCacheOptions): CacheDefinition {
  const where = 'diskCache()';
  const given = checkOptions(where, options, ['dir', 'maxBytes', 'ttlSeconds', 'memory']);
  checkWholeNumber(where, given, 'ttlSeconds', 0, tenYears);
  const { ttlSeconds = week } = options;
  const memoryOptions = readFrontOptions(where, options.memory, ttlSeconds);
  const folder = readFolder(where, given);
  return {
    async open({ log }) {
      const { TieredCache } = await import('../cache/tiers.ts');
      const memory = new MemoryCache(memoryOptions);
      return new TieredCache({ memory, disk: await openDisk(folder, memory, { ttlSeconds, log }) });
    },
  };
}

async function openDisk(
  folder: Required<DiskFolder>,
  memory: MemoryCache,
  more: { ttlSeconds: number; log: Log },
): Promise<DiskTier> {
  const { DiskTier } = await import('../cache/disk/disk-tier.ts');
  const disk = new DiskTier({ ...folder, ...more, events: unheard, isInUse: (key) => memory.has(key) });
  await disk.ready(startMs);
  return disk;
}

/** Where Redis is, and what it may cost. */
export interface RedisCacheOptions {
  /** `redis://` or `rediss://`; several addresses are the nodes of a cluster. */
  url: string | readonly string[];
  /** Seconds that an entry lives; 0 means for ever. @default 604,800: a week */
  ttlSeconds?: number | undefined;
  /** The memory cache in front; false for none. @default one of 64 MB, with the same life */
  memory?: MemoryCacheOptions | false | undefined;
  /** A folder between memory and Redis. @default none */
  disk?: DiskFolder | undefined;
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
  const given = checkOptions(where, options, ['url', 'ttlSeconds', 'memory', 'disk', 'waitMs']);
  checkWholeNumber(where, given, 'ttlSeconds', 0, tenYears);
  checkWholeNumber(where, given, 'waitMs', 1, 60_000);
  const { ttlSeconds = week, waitMs = 240 } = options;
  const memoryOptions = readFrontOptions(where, options.memory, ttlSeconds);
  const folder =
    options.disk &&
    readFolder(`${where}: disk`, checkOptions(`${where}: disk`, options.disk, ['dir', 'maxBytes']));
  const urls = readUrls(where, given['url']);
  return {
    async open({ log }) {
      const { forServing, linkRedis } = await import('../cache/redis/connect.ts');
      const { RedisTier } = await import('../cache/redis/redis-tier.ts');
      const { TieredCache } = await import('../cache/tiers.ts');
      const memory = new MemoryCache(memoryOptions);
      const shared = { ttlSeconds, log };
      const redis = new RedisTier(linkRedis(urls, forServing), { ...shared, waitMs, events: unheard });
      const [disk] = await Promise.all([folder && openDisk(folder, memory, shared), redis.ready(startMs)]);
      return new TieredCache({ memory, disk, redis });
    },
  };
}

/** What fails is in the log. */
const unheard: CacheEvents = { cacheError: () => {} };

/** Milliseconds that an embedder waits for the disk and for Redis before it starts without. */
const startMs = 1_000;

function readMemoryOptions(where: string, options?: MemoryCacheOptions) {
  const given = checkOptions(where, options, ['maxBytes', 'ttlSeconds']);
  checkWholeNumber(where, given, 'maxBytes', 1);
  checkWholeNumber(where, given, 'ttlSeconds', 0, tenYears);
  return { maxBytes: options?.maxBytes ?? 64_000_000, ttlSeconds: options?.ttlSeconds ?? week };
}

/** The memory in front of another tier. Without one of its own: a bound that no vector fits under. */
function readFrontOptions(where: string, memory: MemoryCacheOptions | false = {}, ttlSeconds: number) {
  const front = memory === false ? { maxBytes: 1 } : memory;
  return readMemoryOptions(`${where}: memory`, { ttlSeconds, ...front });
}

function readFolder(where: string, given: Given): Required<DiskFolder> {
  checkWholeNumber(where, given, 'maxBytes', 1_000_000, terabyte);
  const { dir, maxBytes = 1_024_000_000 } = given as { dir: unknown; maxBytes?: number };
  if (typeof dir !== 'string' || dir === '')
    throw badUserInput(
      `${where}: dir must be a folder such as ./cache; got ${dir === '' ? 'nothing' : kindOf(dir)}.`,
    );
  return { dir, maxBytes };
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
