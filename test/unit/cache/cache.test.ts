import fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { decodeVector, encodeVector, headerBytes } from '../../../src/cache/codec.ts';
import { MemoryCache } from '../../../src/cache/memory.ts';
import { noCache } from '../../../src/cache/none.ts';
import { timedOut, withTimeout } from '../../../src/cache/wait.ts';

const value = (numbers: number) => ({
  vector: new Float32Array(numbers).fill(1),
  tokens: 3,
  truncated: false,
});

describe('the codec', () => {
  test('gives back what was put in', () => {
    const vector = fc.float32Array({ noNaN: true, noDefaultInfinity: true, minLength: 1, maxLength: 64 });
    fc.assert(
      fc.property(vector, fc.nat(), fc.boolean(), fc.nat(), (numbers, tokens, truncated, writtenAt) => {
        const stored = { vector: numbers, tokens, truncated, writtenAt };
        const bytes = encodeVector(stored);
        expect(bytes.length).toBe(4 * numbers.length + headerBytes);
        expect(decodeVector(bytes)).toEqual(stored);
      }),
    );
  });

  test('takes nothing that has one bit wrong, is too short or too long', () => {
    const good = encodeVector({ ...value(16), writtenAt: 1 });
    fc.assert(
      fc.property(fc.nat(good.length * 8 - 1), (bit) => {
        const bad = Buffer.from(good);
        bad[bit >> 3]! ^= 1 << (bit & 7);
        expect(decodeVector(bad)).toBeUndefined();
      }),
      { numRuns: 500 },
    );
    for (let length = 0; length < good.length; length++)
      expect(decodeVector(good.subarray(0, length))).toBeUndefined();
    expect(decodeVector(Buffer.concat([good, Buffer.alloc(4)]))).toBeUndefined();
    expect(
      decodeVector(encodeVector({ ...value(2), vector: new Float32Array([Number.NaN, 1]), writtenAt: 1 })),
    ).toBeUndefined();
  });
});

describe('the memory tier', () => {
  afterEach(() => void vi.useRealTimers());

  test('keeps within its bytes, and lets go of what was used least recently', () => {
    const cache = new MemoryCache({ maxBytes: 10_000, ttlSeconds: 0 });
    for (let i = 0; i < 50; i++) {
      cache.setMany([[`key ${i}`, value(256)]]);
      expect(cache.bytes).toBeLessThanOrEqual(10_000);
      cache.peek('key 0');
    }
    expect(cache.peek('key 0')).toMatchObject({ tier: 'memory', tokens: 3 });
    expect(cache.peek('key 1')).toBeUndefined();
    expect(cache.peek('key 49')).toBeDefined();
  });

  test('lets go of what the model cannot use', () => {
    const cache = new MemoryCache({ maxBytes: 10_000, ttlSeconds: 0 });
    cache.setMany([['key', value(3)]]);
    cache.unusable('key');
    expect(cache.peek('key')).toBeUndefined();
  });

  test('does not keep what another tier had for longer than it would have lived there', async () => {
    const cache = new MemoryCache({ maxBytes: 1_000_000, ttlSeconds: 100 });
    const now = Math.floor(Date.now() / 1000);
    cache.keep('old', value(1), now - 200);
    cache.keep('young', value(1), now - 50);
    expect(cache.peek('old')).toBeUndefined();
    expect(await cache.getMany(['young', 'old'])).toEqual([
      expect.objectContaining({ tokens: 3 }),
      undefined,
    ]);
    const forEver = new MemoryCache({ maxBytes: 1_000_000, ttlSeconds: 0 });
    forEver.keep('old', value(1), 0);
    expect(forEver.peek('old')).toBeDefined();
    await forEver.close();
    expect(forEver.peek('old')).toBeUndefined();
  });
});

test('no cache has nothing and keeps nothing', async () => {
  noCache.setMany([['key', value(1)]]);
  expect([noCache.peek('key'), await noCache.getMany(['key'])]).toEqual([undefined, [undefined]]);
  await noCache.flush();
});

describe('within', () => {
  test('gives the result, the failure, or says that it is late', async () => {
    expect(await withTimeout(1_000, Promise.resolve(1))).toBe(1);
    await expect(withTimeout(1_000, Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await withTimeout(1, new Promise(() => {}))).toBe(timedOut);
  });
});
