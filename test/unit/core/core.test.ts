import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Accounting, costOf } from '../../../src/core/accounting.ts';
import { cacheKey, keyPattern, parseKey } from '../../../src/core/cache.ts';
import { toEmbedQLError } from '../../../src/core/errors.ts';
import { Turns } from '../../../src/core/turns.ts';
import {
  shortenVector,
  vectorFromBase64,
  vectorFromBytes,
  vectorToBase64,
  vectorToBytes,
} from '../../../src/core/vectors.ts';
import { builtinModels } from '../../../src/models/builtin.ts';
import { growUntil, sliceWhole } from '../../../src/providers/text.ts';

describe('vectors', () => {
  test('bytes and base64 give back the same numbers', () => {
    fc.assert(
      fc.property(fc.float32Array(), (vector) => {
        expect(vectorFromBytes(vectorToBytes(vector))).toEqual(vector);
        expect(vectorFromBase64(vectorToBase64(vector))).toEqual(vector);
      }),
    );
    expect([...vectorToBytes(new Float32Array([1]))]).toEqual([0, 0, 0x80, 0x3f]);
  });

  test('a shortened vector has unit length; one of zeros stays one of zeros', () => {
    expect(shortenVector(new Float32Array([3, 4, 5]), 2)).toEqual(new Float32Array([0.6, 0.8]));
    expect(shortenVector(new Float32Array([0, 0, 1]), 2)).toEqual(new Float32Array([0, 0]));
    const whole = new Float32Array([1, 2]);
    expect(shortenVector(whole, 2)).toBe(whole);
  });
});

describe('accounting', () => {
  test('loses nothing to rounding, and starts again from nothing', () => {
    const accounting = new Accounting(builtinModels);
    for (let i = 0; i < 1_000; i++) accounting.computed('text-embedding-3-small', 1, 7);
    accounting.computed('text-embedding-3-large', 2, 10);
    accounting.cacheHits('text-embedding-3-large', 'redis', 1, 1_000);
    accounting.computed('unknown', 1, 1_000);
    const { byModel, ...total } = accounting.reset();
    expect(total).toMatchObject({ generated: 1_003, tokens: 8_010, coalescedTexts: 2, cacheHits: 1 });
    expect(total.costUsd).toBeCloseTo(0.0001413, 15);
    expect(total.costSavedUsd).toBe(0.00013);
    expect(byModel.map(({ model }) => model)).toEqual([
      'text-embedding-3-small',
      'text-embedding-3-large',
      'unknown',
    ]);
    expect(accounting.snapshot()).toMatchObject({ generated: 0, byModel: [] });
  });

  test('a price that is not known counts as nothing', () => {
    expect(costOf(1_000, { costPer1kTokens: null })).toBe(0);
  });
});

describe('cache keys', () => {
  test('can be read back, whatever the identity has in it', () => {
    for (const identity of [
      'text-embedding-3-small',
      'nomic:latest',
      'all-MiniLM-L6-v2@q4-0123456789ab',
      'a/b*[c]?',
    ]) {
      expect(parseKey(cacheKey(identity, 'query', 'text'))).toEqual({ identity, kind: 'query' });
    }
    expect(parseKey('embed:v2:x:doc:short')).toBeUndefined();
    expect(keyPattern('a*b')).toBe('embed:v2:a\\*b*');
  });

  test('have the SHA-256 of the exact UTF-8 text', () => {
    expect(cacheKey('m', 'doc', 'abc')).toBe(
      'embed:v2:m:doc:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
    );
    expect(cacheKey('m', 'doc', 'é')).not.toBe(cacheKey('m', 'doc', 'e\u0301'));
  });
});

describe('measuring long texts', () => {
  test('never splits a character', () => {
    expect(sliceWhole('a🐈b', 2)).toBe('a');
    expect(sliceWhole('a🐈b', 3)).toBe('a🐈');
  });

  test('looks at no more of a text than it needs', () => {
    const seen: number[] = [];
    const start = growUntil('x'.repeat(1_000), 10, (piece) => {
      seen.push(piece.length);
      return piece.length >= 40;
    });
    expect([start.length, seen]).toEqual([40, [10, 20, 40]]);
    expect(growUntil('short', 10, () => true)).toBe('short');
  });

  test('lets others have a turn', async () => {
    let turns = 0;
    const timer = setInterval(() => turns++, 0);
    const burn = (n: number) => {
      const end = performance.now() + 5;
      while (performance.now() < end);
      return n * 2;
    };
    const turnTaker = new Turns();
    for (let n = 0; n < 5; n++) {
      burn(n);
      const others = turnTaker.next();
      if (others) await others;
    }
    clearInterval(timer);
    expect(turns).toBeGreaterThan(0);
  });

  test('many at once share the time, in turn', async () => {
    /** Who worked, turn by turn of the event loop. */
    const byTurn: string[][] = [[]];
    const next = () => {
      byTurn.push([]);
      immediate = setImmediate(next);
    };
    let immediate = setImmediate(next);
    const worker = async (name: string) => {
      const turnTaker = new Turns();
      for (let n = 0; n < 6; n++) {
        const end = performance.now() + 5;
        while (performance.now() < end);
        byTurn.at(-1)!.push(name);
        const others = turnTaker.next();
        if (others) await others;
      }
    };
    await Promise.all(['a', 'b', 'c'].map(worker));
    clearImmediate(immediate);
    // The first step of each is begun by whoever calls it.
    for (const some of byTurn.slice(1)) expect(some.length).toBeLessThanOrEqual(2);
    const order = byTurn.flat().slice(3, 15);
    for (const name of ['a', 'b', 'c']) expect(order.filter((one) => one === name)).toHaveLength(4);
  });
});

test('what is not ours becomes an internal error that says nothing of it', () => {
  const shown = toEmbedQLError(new Error('password=hunter2'));
  expect(shown.code).toBe('INTERNAL_SERVER_ERROR');
  expect(shown.message).not.toContain('hunter2');
});
