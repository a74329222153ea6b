import type { Cache, CachedVector, CacheHit, CacheTier, Claimed } from '../core/cache.ts';
import type { StoredVector } from './codec.ts';
import type { DiskTier } from './disk/disk-tier.ts';
import type { MemoryCache } from './memory.ts';
import type { RedisTier, Stored } from './redis/redis-tier.ts';

export interface Tiers {
  memory: MemoryCache;
  disk?: DiskTier | undefined;
  redis?: RedisTier | undefined;
}

/**
 * Memory in front of a disk in front of Redis, as far as they are there. What one of them has is kept in those before it,
 * too, for as long as it would have lived there.
 */
export class TieredCache implements Cache {
  readonly #memory: MemoryCache;
  readonly #disk: DiskTier | undefined;
  readonly #redis: RedisTier | undefined;

  constructor({ memory, disk, redis }: Tiers) {
    this.#memory = memory;
    this.#disk = disk;
    this.#redis = redis;
  }

  get backend(): string {
    return this.#redis?.available ? 'redis' : 'memory';
  }

  get degraded(): boolean {
    return [this.#disk, this.#redis].some((tier) => tier && !tier.healthy);
  }

  get tiers(): CacheTier[] {
    return [
      { name: 'memory' },
      ...(this.#disk ? [{ name: 'disk', problem: this.#disk.problem }] : []),
      ...(this.#redis ? [{ name: 'redis', problem: this.#redis.problem }] : []),
    ];
  }

  get peeksEverything(): boolean {
    return !this.#disk && !this.#redis;
  }

  peek(key: string): CacheHit | undefined {
    return this.#memory.peek(key);
  }

  async getMany(keys: readonly string[], waitMs?: number): Promise<Array<CacheHit | undefined>> {
    const hits = await this.#lookUp(keys, (redis, missing) => redis.getMany(missing, waitMs));
    return hits.map((hit) => (typeof hit === 'object' ? hit : undefined));
  }

  async hasMany(keys: readonly string[], waitMs?: number): Promise<boolean[]> {
    const onDisk = await this.#disk?.hasMany(keys);
    const found = keys.map((key, i) => this.#memory.has(key) || onDisk?.[i] === true);
    const missing = keys.filter((_, i) => !found[i]);
    if (!this.#redis || missing.length === 0) return found;
    const inRedis = (await this.#redis.hasMany(missing, waitMs)).values();
    return found.map((one) => one || inRedis.next().value === true);
  }

  claimMany(keys: readonly string[], waitMs: number): Promise<Claimed[]> {
    return this.#lookUp(keys, (redis, missing) => redis.claimMany(missing, waitMs));
  }

  /** Asks the disk, and Redis for what that does not have. @param askRedis one question for all of the keys it is given */
  async #lookUp(
    keys: readonly string[],
    askRedis: (redis: RedisTier, missing: string[]) => Promise<Stored[]>,
  ): Promise<Claimed[]> {
    // The disk has a bound of its own: a local disk that takes long is still faster than paying again.
    const stored = (await this.#disk?.getMany(keys)) ?? [];
    const found: Claimed[] = keys.map((key, i) => stored[i] && this.#keep(key, stored[i], 'disk'));
    const missing = [...keys.keys()].filter((i) => !found[i]);
    if (!this.#redis || missing.length === 0) return found;
    const missed = missing.map((i) => keys[i]!);
    const answers = await askRedis(this.#redis, missed);
    for (const [n, i] of missing.entries()) {
      const answer = answers[n];
      found[i] = typeof answer === 'object' ? this.#keep(keys[i]!, answer, 'redis') : answer;
    }
    return found;
  }

  #keep(key: string, stored: StoredVector, tier: 'disk' | 'redis'): CacheHit {
    const { writtenAt, ...value } = stored;
    this.#memory.keep(key, value, writtenAt);
    if (tier === 'redis') this.#disk?.keep(key, stored);
    return { ...value, tier };
  }

  unusable(key: string, tier: string): void {
    this.#memory.unusable(key);
    if (tier === 'disk') this.#disk?.unusable();
    if (tier === 'redis') this.#redis?.unusable();
  }

  release(keys: readonly string[]): void {
    this.#redis?.release(keys);
  }

  setMany(entries: ReadonlyArray<readonly [string, CachedVector]>): void {
    this.#memory.setMany(entries);
    this.#disk?.setMany(entries);
    this.#redis?.setMany(entries);
  }

  async flush(): Promise<void> {
    await Promise.all([this.#disk?.flush(), this.#redis?.flush()]);
  }

  async close(): Promise<void> {
    await Promise.all([this.#memory.close(), this.#disk?.close(), this.#redis?.close()]);
  }
}
