import type { CacheTier } from './events.ts';

/** What the cache keeps of a text: everything an answer needs. */
export interface CachedVector {
  readonly vector: Float32Array;
  /** Tokens the provider charged for it. */
  readonly tokens: number;
  readonly truncated: boolean;
}

export interface CacheHit extends CachedVector {
  readonly tier: CacheTier;
}

/** What a cache tells as it happens. */
export interface CacheEvents {
  /** Something that should have worked did not; the answer was a miss, or was not kept. */
  cacheError(operation: 'read' | 'write' | 'decode'): void;
}

/** What serves at the moment. */
export type CacheBackend = 'redis' | 'memory' | 'none';

/**
 * What the core asks of a cache. A cache never fails and never keeps anybody waiting for long: what it
 * cannot answer is a miss.
 */
export interface Cache {
  readonly backend: CacheBackend;
  /** Whether a tier that should be there is away. */
  readonly degraded: boolean;
  /** A look at what is at hand without waiting. */
  peek(key: string): CacheHit | undefined;
  /** Looks further, in one round trip for all keys. Same length and order as `keys`. */
  getMany(keys: readonly string[]): Promise<Array<CacheHit | undefined>>;
  /** Keeps vectors, in one round trip. Returns at once; nobody waits for the writing. */
  setMany(entries: ReadonlyArray<readonly [key: string, value: CachedVector]>): void;
  /** Resolves once what was to be kept has been written, or has been given up. */
  flush(): Promise<void>;
  close(): Promise<void>;
}
