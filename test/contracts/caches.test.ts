import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { headerBytes } from '../../src/cache/codec.ts';
import { DiskTier } from '../../src/cache/disk/disk-tier.ts';
import { MemoryCache } from '../../src/cache/memory.ts';
import { forServing, linkRedis } from '../../src/cache/redis/connect.ts';
import { RedisTier } from '../../src/cache/redis/redis-tier.ts';
import { TieredCache } from '../../src/cache/tiers.ts';
import type { Cache } from '../../src/core/cache.ts';
import { silentLog } from '../../src/core/surroundings.ts';
import type { CacheSettings } from '../../src/testing/cache.ts';
import { type CacheContract, testCache } from '../../src/testing.ts';
import { hasRedisServer, type RedisServer, startRedis } from '../support/redis-server.ts';

for (const { name, run } of testCache({ name: 'memory', open: (settings) => new MemoryCache(settings) }))
  test(name, run);

describe('over a disk', () => {
  let dir: string;
  beforeAll(async () => {
    dir = await mkdtemp(path.join(tmpdir(), 'disk-'));
  });
  afterAll(() => rm(dir, { recursive: true }));

  const open = async (memoryBytes: number, { maxBytes, ttlSeconds }: CacheSettings) => {
    const events = { cacheError: () => {} };
    const disk = new DiskTier({ dir, maxBytes, ttlSeconds, waitMs: 5_000, events, log: silentLog });
    await disk.ready(5_000);
    return new TieredCache({ memory: new MemoryCache({ maxBytes: memoryBytes, ttlSeconds }), disk });
  };
  /** Flips a bit of the value, wherever it lies. */
  const damage = async (key: string) => {
    const digest = Buffer.from(key.slice(-64), 'hex');
    for (const file of await readdir(path.join(dir, 'vectors'))) {
      const bytes = await readFile(path.join(dir, 'vectors', file));
      const at = bytes.indexOf(digest);
      if (at === -1) continue;
      bytes[at + digest.length + headerBytes + 3]! ^= 1;
      await writeFile(path.join(dir, 'vectors', file), bytes);
    }
  };
  const caches: CacheContract[] = [
    {
      name: 'memory and disk',
      open: (settings) => open(settings.maxBytes, settings),
      bounded: false,
      damage,
    },
    // A memory in which nothing has room, so that all is read from the disk.
    { name: 'disk', open: (settings) => open(1, settings), damage },
  ];
  for (const contract of caches) for (const { name, run } of testCache(contract)) test(name, run);
});

describe.skipIf(!hasRedisServer)('over Redis', () => {
  let redis: RedisServer;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis.stop());

  const open = async (memoryBytes: number, ttlSeconds: number) => {
    const events = { cacheError: () => {} };
    const tier = new RedisTier(linkRedis([redis.url], forServing), {
      ttlSeconds,
      waitMs: 5_000,
      events,
      log: silentLog,
    });
    await tier.ready(5_000);
    return new TieredCache({ memory: new MemoryCache({ maxBytes: memoryBytes, ttlSeconds }), redis: tier });
  };
  const damage = async (key: string) => {
    const value = (await redis.client.getBuffer(key))!;
    value[value.length - 1]! ^= 1;
    await redis.client.set(key, value);
  };
  const caches: CacheContract[] = [
    {
      name: 'memory and Redis',
      open: ({ maxBytes, ttlSeconds }) => open(maxBytes, ttlSeconds),
      bounded: false,
      damage,
    },
    // A memory in which nothing has room, so that all is read from Redis.
    { name: 'Redis', open: ({ ttlSeconds }) => open(1, ttlSeconds), bounded: false, damage },
  ];
  for (const contract of caches) for (const { name, run } of testCache(contract)) test(name, run);
});

describe('the contract finds', () => {
  const failures = async (replaced: (memory: MemoryCache) => Partial<Cache>, only = /./) => {
    const failed: string[] = [];
    const contract: CacheContract = {
      name: 'broken',
      open(settings) {
        const memory = new MemoryCache(settings);
        const whole: Cache = {
          backend: 'memory',
          degraded: false,
          peek: (key) => memory.peek(key),
          getMany: (keys) => memory.getMany(keys),
          setMany: (entries) => memory.setMany(entries),
          flush: () => memory.flush(),
          close: () => memory.close(),
        };
        return { ...whole, ...replaced(memory) };
      },
    };
    for (const { name, run } of testCache(contract).filter((one) => only.test(one.name)))
      await run().catch(() => failed.push(name));
    return failed;
  };

  test('nothing in one that is right', async () => expect(await failures(() => ({}))).toEqual([]));

  test.each<[string, (memory: MemoryCache) => Partial<Cache>, RegExp]>([
    [
      'an order that is lost',
      (memory) => ({ getMany: async (keys) => (await memory.getMany(keys)).toReversed() }),
      /order/,
    ],
    [
      'misses that are left out',
      (memory) => ({ getMany: async (keys) => (await memory.getMany(keys)).filter(Boolean) }),
      /order/,
    ],
    [
      'entries that stay for ever',
      () => {
        const all = new MemoryCache({ maxBytes: 1e9, ttlSeconds: 0 });
        return {
          peek: (key) => all.peek(key),
          getMany: (keys) => all.getMany(keys),
          setMany: (entries) => all.setMany(entries),
        };
      },
      /its time is over/,
    ],
    [
      'no bound',
      () => {
        const all = new MemoryCache({ maxBytes: 1e9, ttlSeconds: 0 });
        return {
          peek: (key) => all.peek(key),
          getMany: (keys) => all.getMany(keys),
          setMany: (entries) => all.setMany(entries),
        };
      },
      /within its bytes/,
    ],
    [
      'rounded vectors',
      (memory) => ({
        setMany: (entries) =>
          memory.setMany(
            entries.map(([key, value]) => [
              key,
              { ...value, vector: value.vector.map((x) => Math.round(x * 1e4) / 1e4) },
            ]),
          ),
      }),
      /to the bit/,
    ],
    [
      'a failure after the end',
      (memory) => {
        let open = true;
        return {
          getMany: (keys) => (open ? memory.getMany(keys) : Promise.reject(new Error('closed'))),
          close: async () => {
            open = false;
          },
        };
      },
      /closed twice/,
    ],
  ])('%s', async (_name, replaced, found) => {
    expect(await failures(replaced, found)).toHaveLength(1);
  });
});
