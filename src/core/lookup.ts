import type { Cache, CacheHit } from './cache.ts';

/** Looks texts up in the cache; two who miss the same key at the same time ask for it once. */
export class Lookup {
  readonly #cache: Cache;
  readonly #dimension: number;
  readonly #pending = new Map<string, Promise<CacheHit | undefined>>();

  /** @param dimension of the vectors that are looked for; what has another is no hit. */
  constructor(cache: Cache, dimension: number) {
    this.#cache = cache;
    this.#dimension = dimension;
  }

  /**
   * What the cache has, in the order of `keys`. One round trip for all that is not at hand.
   * @param wanted whether a key is to be looked up at all
   * @param isComputing whether somebody computes a key, so that asking further would be in vain
   */
  async find(
    keys: readonly string[],
    wanted: (index: number) => boolean,
    isComputing: (key: string) => boolean,
  ): Promise<Array<CacheHit | undefined>> {
    const hits: Array<CacheHit | undefined> = new Array(keys.length).fill(undefined);
    const unseen = new Set<string>();
    for (const [i, key] of keys.entries()) {
      if (!wanted(i)) continue;
      hits[i] = this.#usable(this.#cache.peek(key));
      if (!hits[i] && !isComputing(key) && !this.#pending.has(key)) unseen.add(key);
    }
    if (unseen.size > 0) this.#ask([...unseen]);
    const waits: Array<Promise<void>> = [];
    for (const [i, key] of keys.entries()) {
      const pending = hits[i] || !wanted(i) ? undefined : this.#pending.get(key);
      if (!pending) continue;
      const wait = async () => {
        // Somebody may have computed it while the cache was being asked.
        hits[i] = this.#usable((await pending) ?? this.#cache.peek(key));
      };
      waits.push(wait());
    }
    await Promise.all(waits);
    return hits;
  }

  #ask(keys: string[]): void {
    const found = this.#cache.getMany(keys);
    for (const [i, key] of keys.entries()) {
      const pending = found.then((hits) => {
        this.#pending.delete(key);
        return hits[i];
      });
      this.#pending.set(key, pending);
    }
  }

  #usable(hit: CacheHit | undefined): CacheHit | undefined {
    return hit?.vector.length === this.#dimension ? hit : undefined;
  }
}
