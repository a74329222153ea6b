import { LRUCache } from 'lru-cache';
import type { Cache, CachedVector, CacheHit } from '../embedder/cache.ts';

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
  readonly #entries: LRUCache<string, CacheHit>;

  constructor(options: MemoryCacheOptions) {
    this.#entries = new LRUCache({
      maxSize: options.maxBytes,
      sizeCalculation: (hit) => hit.vector.byteLength + overheadBytes,
      ttl: options.ttlSeconds * 1000,
    });
  }

  get bytes(): number {
    return this.#entries.calculatedSize;
  }

  peek(key: string): CacheHit | undefined {
    return this.#entries.get(key);
  }

  async getMany(keys: readonly string[]): Promise<Array<CacheHit | undefined>> {
    return keys.map((key) => this.peek(key));
  }

  setMany(entries: ReadonlyArray<readonly [string, CachedVector]>): void {
    for (const [key, { vector, tokens, truncated }] of entries) {
      this.#entries.set(key, { vector, tokens, truncated, tier: 'memory' });
    }
  }

  async close(): Promise<void> {
    this.#entries.clear();
  }
}
