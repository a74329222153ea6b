import { MemoryCache } from '../../src/cache/memory.ts';
import type { RedisCommands } from '../../src/cache/redis/commands.ts';
import { RedisTier } from '../../src/cache/redis/redis-tier.ts';
import { TieredCache } from '../../src/cache/tiers.ts';
import type { Cache, CacheHit, Claimed } from '../../src/core/cache.ts';
import { Catalogue } from '../../src/core/catalogue.ts';
import { Embedder } from '../../src/core/embedder.ts';
import type { EmbedderEvents } from '../../src/core/events.ts';
import { silentLog } from '../../src/core/surroundings.ts';
import type { Ledger } from './ledger.ts';
import type { SimProcess } from './process.ts';
import { type ModelWorld, SimModel } from './provider.ts';

/** Milliseconds that an operation may wait for the cache. */
const waitMs = 240;

/** Bytes of an entry of the memory tier: three numbers and what the tier adds. */
const entryBytes = 412;

/** One server: the real core over the real tiers, in a process, with models and a connection of the simulated world. */
export class Replica {
  readonly process: SimProcess;
  readonly models: readonly SimModel[];
  readonly embedder: Embedder;
  /** As the core's events have them. */
  readonly told = { computed: 0, tokens: 0, hits: 0 };
  readonly #tier: RedisTier | undefined;

  constructor(options: {
    process: SimProcess;
    world: ModelWorld;
    idOf: (key: string) => string;
    /** Undefined without a shared Redis. */
    commands: RedisCommands | undefined;
  }) {
    const { process, world, idOf, commands } = options;
    const { script, ledger } = world;
    this.process = process;
    this.models = script.models.map((model) => new SimModel(model, process, world, (of) => this.#wait(of)));
    const memory = new MemoryCache({ maxBytes: script.memoryEntries * entryBytes, ttlSeconds: 0 });
    this.#tier =
      commands &&
      new RedisTier(
        { onError: () => {}, close: () => {} },
        { ttlSeconds: 0, waitMs, events: { cacheError: () => {} }, log: silentLog, clock: process },
        commands,
      );
    const cache = this.#tier ? new TieredCache({ memory, redis: this.#tier }) : memory;
    this.embedder = new Embedder({
      catalogue: new Catalogue(this.models, this.models[0]!.spec.name),
      cache: watched(cache, { process, ledger, idOf, shared: this.#tier !== undefined }),
      events: this.#events(),
      clock: process,
      windowMs: script.windowMs,
      queueLimit: script.queueLimit,
      cacheWaitMs: waitMs,
      log: {
        ...silentLog,
        warn: (fields: object | string) => {
          const { model, accepted } = fields as { model: string; accepted: number };
          this.models.find(({ spec }) => spec.name === model)!.learned(accepted);
        },
        error: (fields: object | string) =>
          ledger.violate(`the core logs an error: ${JSON.stringify(fields)}`),
      },
    });
  }

  /** Whether texts wait that a call could have carried, too. */
  #wait(model: SimModel): boolean {
    return this.embedder
      .queueDepths()
      .some(({ model: name, texts }) => name === model.spec.name && texts > 0);
  }

  async ready(): Promise<void> {
    await this.#tier?.ready(2_000);
  }

  #events(): EmbedderEvents {
    return {
      cacheHits: (_model, _tier, texts) => {
        this.told.hits += texts;
      },
      cacheMisses: () => {},
      joined: () => {},
      computed: (_model, texts, tokens) => {
        this.told.computed += texts;
        this.told.tokens += tokens;
      },
      providerCall: () => {},
    };
  }
}

/** A cache whose failings are written down as excuses. */
function watched(
  cache: Cache,
  options: { process: SimProcess; ledger: Ledger; idOf: (key: string) => string; shared: boolean },
): Cache {
  const { process, ledger, idOf, shared } = options;
  const inMemory = new Set<string>();
  const id = (key: string) => (shared ? idOf(key) : `${process.name} ${idOf(key)}`);
  const remember = (key: string, claimed: Claimed): void => {
    if (claimed === undefined) ledger.excuse(id(key), 'the shared cache did not say');
    if (typeof claimed === 'object') inMemory.add(key);
  };
  const watchedCache: Cache = {
    get backend() {
      return cache.backend;
    },
    get degraded() {
      return cache.degraded;
    },
    peeksEverything: cache.peeksEverything ?? false,
    peek(key): CacheHit | undefined {
      const hit = cache.peek(key);
      if (!hit && inMemory.delete(key)) ledger.excuse(id(key), 'the memory tier let go of it');
      return hit;
    },
    getMany: (keys, waitMs) => cache.getMany(keys, waitMs),
    setMany(entries) {
      for (const [key] of entries) {
        inMemory.add(key);
        // What is away is not even asked to keep it.
        if (shared && cache.backend !== 'redis') ledger.excuse(id(key), 'the shared cache did not keep it');
      }
      cache.setMany(entries);
    },
    flush: () => cache.flush(),
    close: () => cache.close(),
  };
  if (cache.claimMany) {
    watchedCache.claimMany = async (keys, waitMs) => {
      const claimed = await cache.claimMany!(keys, waitMs);
      for (const [i, key] of keys.entries()) remember(key, claimed[i]);
      return claimed;
    };
    watchedCache.release = (keys) => cache.release!(keys);
  }
  return watchedCache;
}
