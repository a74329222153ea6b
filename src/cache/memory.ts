import { LRUCache } from 'lru-cache';
import type { Cache, CachedVector, CacheHit } from '../core/cache.ts';

export interface MemoryCacheOptions {
  /** Bytes that entries may take up together, keys and bookkeeping included. */
  maxBytes: number;
  /** Seconds that an entry lives; 0 means for ever. */
  ttlSeconds: number;
}

/** What an entry costs beside its numbers: the key, three objects and their places in two maps. */
const overheadBytes = 400;

/** The tier inside the process: bounded by bytes, least recently used first out. */
export class MemoryCache implements Cache {
  readonly backend = 'memory';
  readonly degraded = false;
  readonly peeksEverything = true;
  readonly #entries: LRUCache<string, CacheHit>;
  readonly #ttlMs: number;

  constructor(options: MemoryCacheOptions) {
    this.#ttlMs = options.ttlSeconds * 1000;
    this.#entries = new LRUCache({
      maxSize: options.maxBytes,
      sizeCalculation: (hit) => hit.vector.byteLength + overheadBytes,
      ttl: this.#ttlMs,
      // Looking at the clock for every text takes longer than finding it.
      ttlResolution: 100,
    });
  }

  get bytes(): number {
    return this.#entries.calculatedSize;
  }

  peek(key: string): CacheHit | undefined {
    return this.#entries.get(key);
  }

  /** Whether an entry is there; looking so does not count as using it. */
  has(key: string): boolean {
    return this.#entries.has(key);
  }

  async hasMany(keys: readonly string[]): Promise<boolean[]> {
    return keys.map((key) => this.has(key));
  }

  unusable(key: string): void {
    this.#entries.delete(key);
  }

  async getMany(keys: readonly string[]): Promise<Array<CacheHit | undefined>> {
    return keys.map((key) => this.peek(key));
  }

  setMany(entries: ReadonlyArray<readonly [string, CachedVector]>): void {
    for (const [key, { vector, tokens, truncated }] of entries) {
      this.#entries.set(key, { vector, tokens, truncated, tier: 'memory' });
    }
  }

  /** Keeps what another tier had, for what is left of its life. @param writtenAt seconds since 1970 */
  keep(key: string, value: CachedVector, writtenAt: number): void {
    const age = Date.now() - writtenAt * 1000;
    const ttl = this.#ttlMs === 0 ? 0 : Math.floor(this.#ttlMs - age);
    // lru-cache takes 0 for ever, so what has just run out is not kept.
    if (this.#ttlMs === 0 || ttl > 0) this.#entries.set(key, { ...value, tier: 'memory' }, { ttl });
  }

  async flush(): Promise<void> {}

  async close(): Promise<void> {
    this.#entries.clear();
  }
}
