import type { Cache, CachedVector, CacheHit, Claimed } from '../core/cache.ts';
import type { StoredVector } from './codec.ts';
import type { MemoryCache } from './memory.ts';
import type { RedisTier } from './redis/redis-tier.ts';

/** Memory in front of Redis. What Redis has is kept in memory, too, for as long as it would have lived there. */
export class TieredCache implements Cache {
  readonly #memory: MemoryCache;
  readonly #redis: RedisTier;

  constructor(memory: MemoryCache, redis: RedisTier) {
    this.#memory = memory;
    this.#redis = redis;
  }

  get backend(): string {
    return this.#redis.available ? 'redis' : 'memory';
  }

  get degraded(): boolean {
    return !this.#redis.healthy;
  }

  peek(key: string): CacheHit | undefined {
    return this.#memory.peek(key);
  }

  async getMany(keys: readonly string[], waitMs?: number): Promise<Array<CacheHit | undefined>> {
    const found = await this.#redis.getMany(keys, waitMs);
    return found.map((stored, i) => stored && this.#keep(keys[i]!, stored));
  }

  async claimMany(keys: readonly string[], waitMs: number): Promise<Claimed[]> {
    const found = await this.#redis.claimMany(keys, waitMs);
    return found.map((stored, i) => (typeof stored === 'object' ? this.#keep(keys[i]!, stored) : stored));
  }

  release(keys: readonly string[]): void {
    this.#redis.release(keys);
  }

  #keep(key: string, { writtenAt, ...value }: StoredVector): CacheHit {
    this.#memory.keep(key, value, writtenAt);
    return { ...value, tier: 'redis' };
  }

  setMany(entries: ReadonlyArray<readonly [string, CachedVector]>): void {
    this.#memory.setMany(entries);
    this.#redis.setMany(entries);
  }

  flush(): Promise<void> {
    return this.#redis.flush();
  }

  async close(): Promise<void> {
    await Promise.all([this.#memory.close(), this.#redis.close()]);
  }
}
