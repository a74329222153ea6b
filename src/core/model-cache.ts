import { type Cache, type CachedVector, type CacheHit, type Claimed, cacheKey } from './cache.ts';
import type { Clock } from './clock.ts';
import type { EmbeddingModel, TextKind } from './model.ts';
import type { Operation, Payer } from './request.ts';
import type { Log } from './surroundings.ts';

export interface ModelCacheOptions {
  model: EmbeddingModel;
  cache: Cache;
  clock: Clock;
  log: Log;
  /** Milliseconds that an operation may wait for the cache in all. */
  cacheWaitMs: number;
  /** Whether each key has a cache and flights of its own, so that nobody learns what others have asked for. Default: no. */
  cachePerKey?: boolean | undefined;
}

/** Milliseconds that an operation waits for the cache that can wait: what is taken for missing is paid. */
const patientCacheWaitMs = 5_000;

/** What an operation may still wait for the cache. */
interface CacheWait {
  leftMs: number;
}

/**
 * The cache as one model sees it: under which keys its vectors are, and what may be taken out. Where the cache fails, which it
 * must not, there is nothing in it; and no operation waits for it longer than it may.
 */
export class ModelCache {
  readonly #options: ModelCacheOptions;
  readonly #model: EmbeddingModel;
  readonly #cache: Cache;
  readonly #waits = new WeakMap<Operation, CacheWait>();
  /** Whether the model embeds queries like documents; then a text is the same as both. */
  readonly #oneKind: boolean;

  constructor(options: ModelCacheOptions) {
    const { model, cache } = options;
    this.#options = options;
    this.#model = model;
    this.#cache = cache;
    const { queryPrefix = '', documentPrefix = '' } = model.spec;
    this.#oneKind = queryPrefix === documentPrefix && !model.distinguishesKinds;
  }

  /** Whether there is one at all. */
  get exists(): boolean {
    return this.#cache.backend !== 'none';
  }

  /** Whether `peek` has seen all that there is. */
  get peeksEverything(): boolean {
    return this.#cache.peeksEverything === true;
  }

  /** What vectors are kept under: the model's identity, and the key where each has its own cache. */
  scoped(identity: string, payer: Pick<Payer, 'key'> | undefined): string {
    return this.#options.cachePerKey && payer ? `${identity}@key=${payer.key}` : identity;
  }

  keyOf(identity: string, kind: TextKind, text: string): string {
    return cacheKey(identity, this.#oneKind ? 'doc' : kind, text);
  }

  /** What can be had without waiting. */
  peek(key: string): CacheHit | undefined {
    return this.usable(key, this.#cache.peek(key));
  }

  /** A hit that fits the model. The cache is told of one that does not. */
  usable(key: string, hit: CacheHit | undefined): CacheHit | undefined {
    if (!hit || hit.vector.length === this.#model.spec.dimension) return hit;
    this.#cache.unusable?.(key, hit.tier);
    return undefined;
  }

  /** Which there are; nothing is claimed, or counted as used. */
  async has(keys: readonly string[], waitMs = this.#options.cacheWaitMs): Promise<boolean[]> {
    try {
      const found = await this.#cache.hasMany?.(keys, waitMs);
      return found ?? (await this.#cache.getMany(keys, waitMs)).map((hit) => !!hit);
    } catch (error) {
      this.#tell(error, 'look for');
      return keys.map(() => false);
    }
  }

  /** One question for all of them, within what is left of the operation's time for it. */
  async claimFor(operation: Operation, keys: readonly string[]): Promise<Claimed[]> {
    const { clock } = this.#options;
    const wait = this.#waits.get(operation) ?? { leftMs: this.#waitMs(operation.canWait) };
    this.#waits.set(operation, wait);
    if (wait.leftMs < 1) return keys.map(() => undefined);
    const started = clock.now();
    const found = await this.#claim(keys, wait.leftMs);
    wait.leftMs -= clock.now() - started;
    return found;
  }

  /** The same for those whose operations wait in any case. */
  claimAgain(keys: readonly string[], canWait: boolean): Promise<Claimed[]> {
    return this.#claim(keys, this.#waitMs(canWait));
  }

  /** Nobody waits for the writing. @returns whether it has begun */
  write(entries: ReadonlyArray<readonly [key: string, value: CachedVector]>): boolean {
    try {
      if (entries.length > 0) this.#cache.setMany(entries);
      return true;
    } catch (error) {
      this.#tell(error, 'write');
      return false;
    }
  }

  /** Another replica may compute what was claimed. */
  release(key: string): void {
    this.#cache.release?.([key]);
  }

  #waitMs(canWait: boolean | undefined): number {
    return canWait ? patientCacheWaitMs : this.#options.cacheWaitMs;
  }

  async #claim(keys: readonly string[], waitMs: number): Promise<Claimed[]> {
    try {
      return await (this.#cache.claimMany?.(keys, waitMs) ?? this.#cache.getMany(keys, waitMs));
    } catch (error) {
      this.#tell(error, 'read');
      return keys.map(() => undefined);
    }
  }

  #tell(error: unknown, failedTo: string): void {
    const { log } = this.#options;
    log.error({ err: error, model: this.#model.spec.name }, `the cache failed to ${failedTo} vectors`);
  }
}
