import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Cache, type CachedVector, cacheKey } from '../core/cache.ts';
import type { ContractTest } from './contract.ts';

/** What a cache is opened with. */
export interface CacheSettings {
  /** Seconds that an entry lives; 0 means for ever. */
  readonly ttlSeconds: number;
  /** Bytes that it may take up. */
  readonly maxBytes: number;
}

/** A cache to be tested. */
export interface CacheContract {
  /** For the names of the tests. */
  readonly name: string;
  /** Opens one that is ready to serve. What earlier ones have stored may still be in it. */
  readonly open: (settings: CacheSettings) => Cache | Promise<Cache>;
  /** Whether it is bound by `maxBytes`. Default: true. */
  readonly bounded?: boolean;
  /**
   * Spoils what is stored under a key, where a medium can: flipped bits, a torn end. `reopened` is a cache over the same
   * store that has nothing of it in memory. Without it that is not tested.
   */
  readonly damage?: (key: string) => Promise<void>;
}

const megabytes = 64_000_000;

/**
 * What the core relies on, as tests for any runner.
 *
 * @example
 * import { test } from 'node:test';
 * import { testCache } from 'embedql/testing';
 *
 * for (const { name, run } of testCache({ name: 'mine', open: (settings) => new MyCache(settings) })) test(name, run);
 */
export function testCache({ name, open, bounded = true, damage }: CacheContract): ContractTest[] {
  const tests: ContractTest[] = [];
  const check = (
    what: string,
    run: (cache: Cache) => Promise<void>,
    settings: CacheSettings = { ttlSeconds: 0, maxBytes: megabytes },
  ): void => {
    tests.push({
      name: `${name}: ${what}`,
      async run() {
        const cache = await open(settings);
        try {
          await run(cache);
        } finally {
          await cache.close();
        }
      },
    });
  };
  const keep = async (cache: Cache, entries: ReadonlyArray<readonly [string, CachedVector]>) => {
    cache.setMany(entries);
    await cache.flush();
  };

  check('gives back what it was given, to the bit', async (cache) => {
    const entries = [entry(3), entry(1_536), entry(1), entry(384, { truncated: true, tokens: 0 })];
    await keep(cache, entries);
    const hits = await cache.getMany(entries.map(([key]) => key));
    for (const [i, [, value]] of entries.entries()) same(hits[i], value);
  });

  check('answers in the order of the keys, misses where they are', async (cache) => {
    const [a, b, c] = [entry(8), entry(8), entry(8)];
    await keep(cache, [a, b, c]);
    const none = entry(8)[0];
    const hits = await cache.getMany([none, c[0], a[0], none, b[0], c[0]]);
    assert.equal(hits.length, 6);
    assert.deepEqual([hits[0], hits[3]], [undefined, undefined]);
    for (const [i, [, value]] of [
      [1, c],
      [2, a],
      [4, b],
      [5, c],
    ] as const)
      same(hits[i], value);
  });

  check('has an answer for no keys, and keeps nothing of no entries', async (cache) => {
    await keep(cache, []);
    assert.deepEqual(await cache.getMany([]), []);
  });

  check('at hand there is what was stored or nothing, never something else', async (cache) => {
    const [known, unknown] = [entry(8), entry(8)];
    await keep(cache, [known]);
    assert.equal(cache.peek(unknown[0]), undefined);
    const hit = cache.peek(known[0]);
    if (hit) same(hit, known[1]);
  });

  check('keeps two entries apart that differ in a letter', async (cache) => {
    const value = entry(4)[1];
    const document = cacheKey('model', 'doc', `cat ${randomBytes(8).toString('hex')}`);
    const query = document.replace(':doc:', ':query:');
    await keep(cache, [[document, value]]);
    assert.deepEqual((await cache.getMany([query, `${document}0`])).map(Boolean), [false, false]);
  });

  check('takes and gives thousands at once', async (cache) => {
    const entries = Array.from({ length: 5_000 }, () => entry(16));
    await keep(cache, entries);
    const hits = await cache.getMany(entries.map(([key]) => key));
    for (const [i, [, value]] of entries.entries()) same(hits[i], value);
  });

  check('where it can say what it has, it says so of neither more nor less', async (cache) => {
    const [a, b] = [entry(8), entry(8)];
    await keep(cache, [a, b]);
    const keys = [entry(8)[0], b[0], a[0], entry(8)[0], b[0]];
    const has = (await cache.hasMany?.(keys)) ?? (await cache.getMany(keys)).map(Boolean);
    assert.deepEqual(has, [false, true, true, false, true]);
    assert.deepEqual(await (cache.hasMany?.([]) ?? []), []);
  });

  check('stored twice at the same time, an entry is one of the two and whole', async (cache) => {
    const [key, first] = entry(64);
    const second = entry(64)[1];
    cache.setMany([[key, first]]);
    cache.setMany([[key, second]]);
    const reads = Array.from({ length: 20 }, () => cache.getMany([key]));
    await cache.flush();
    reads.push(cache.getMany([key]));
    for (const [hit] of await Promise.all(reads)) {
      if (hit) assert.ok(isSame(hit, first) || isSame(hit, second), 'it is neither of the two');
    }
    assert.ok((await cache.getMany([key]))[0], 'it was not kept at all');
  });

  check(
    'lets go of an entry when its time is over',
    async (cache) => {
      const old = entry(8);
      await keep(cache, [old]);
      same((await cache.getMany([old[0]]))[0], old[1]);
      const isThere = async () => cache.peek(old[0]) ?? (await cache.getMany([old[0]]))[0];
      for (let tries = 0; tries < 200 && (await isThere()); tries++) await sleep(50);
      assert.equal(await isThere(), undefined, 'it is there after ten times its life');
    },
    { ttlSeconds: 1, maxBytes: megabytes },
  );

  if (bounded) {
    check(
      'keeps within its bytes, and keeps the newest',
      async (cache) => {
        const entries = Array.from({ length: 400 }, () => entry(256));
        for (const one of entries) await keep(cache, [one]);
        const hits = await cache.getMany(entries.map(([key]) => key));
        const bytes = hits.filter(Boolean).length * 256 * 4;
        assert.ok(bytes <= 100_000, `${bytes} bytes of vectors where 100,000 are allowed in all`);
        assert.ok(hits.at(-1), 'the newest is gone');
      },
      { ttlSeconds: 0, maxBytes: 100_000 },
    );
  }

  if (damage) {
    tests.push({
      name: `${name}: what is damaged is a miss, and can be stored again`,
      async run() {
        const settings = { ttlSeconds: 0, maxBytes: megabytes };
        const [spoilt, sound] = [entry(32), entry(32)];
        const writer = await open(settings);
        await keep(writer, [spoilt, sound]);
        await writer.close();
        await damage(spoilt[0]);
        const cache = await open(settings);
        const keys = [spoilt[0], sound[0]];
        const [miss, hit] = await cache.getMany(keys);
        assert.equal(miss, undefined);
        same(hit, sound[1]);
        await keep(cache, [spoilt]);
        same((await cache.getMany(keys))[0], spoilt[1]);
        await cache.close();
      },
    });
  }

  check('can be closed twice, and has nothing after that but fails nobody', async (cache) => {
    const [key, value] = entry(8);
    await keep(cache, [[key, value]]);
    await cache.close();
    await cache.close();
    assert.deepEqual(await cache.getMany([key]), [undefined]);
    cache.setMany([[key, value]]);
    await cache.flush();
  });
  return tests;
}

/** An entry that no other test has. */
function entry(dimension: number, more: Partial<CachedVector> = {}): [key: string, value: CachedVector] {
  const text = randomBytes(16).toString('hex');
  const vector = Float32Array.from({ length: dimension }, () => Math.random() * 2 - 1);
  return [cacheKey('contract', 'doc', text), { vector, tokens: 7, truncated: false, ...more }];
}

function isSame(hit: CachedVector, { vector, tokens, truncated }: CachedVector): boolean {
  return (
    hit.tokens === tokens &&
    hit.truncated === truncated &&
    hit.vector.length === vector.length &&
    hit.vector.every((value, i) => Object.is(value, vector[i]))
  );
}

function same(hit: CachedVector | undefined, expected: CachedVector): void {
  assert.ok(hit, 'it is not there');
  assert.ok(isSame(hit, expected), 'it is not what was stored');
}
