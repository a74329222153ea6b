import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Catalogue } from '../../../src/core/catalogue.ts';
import { systemClock } from '../../../src/core/clock.ts';
import { bytesToBase64, toBinary, toInt8 } from '../../../src/core/forms.ts';
import { cosineSimilarity } from '../../../src/core/vectors.ts';
import { readWish } from '../../../src/core/wish.ts';
import { FakeModel } from '../../support/fake-model.ts';

const vectors = fc
  .array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: 384, maxLength: 1_536 })
  .map((numbers) => Float32Array.from(numbers));

describe('int8', () => {
  test('is round(127·x / max|x|)', () => {
    expect([...toInt8(Float32Array.of(0.5, -1, 0.25, 0))]).toEqual([64, -127, 32, 0]);
    expect([...toInt8(new Float32Array(3))]).toEqual([0, 0, 0]);
    expect(bytesToBase64(toInt8(Float32Array.of(1, -1)))).toBe(Buffer.from([127, 129]).toString('base64'));
  });

  test('keeps the cosine of any two vectors within 0.001, where no number stands out', () => {
    fc.assert(
      fc.property(vectors, vectors, (a, b) => {
        const length = Math.min(a.length, b.length);
        const [x, y] = [a.slice(0, length), b.slice(0, length)];
        if (x.every((value) => value === 0) || y.every((value) => value === 0)) return;
        const kept = cosineSimilarity(Float32Array.from(toInt8(x)), Float32Array.from(toInt8(y)));
        expect(Math.abs(kept - cosineSimilarity(x, y))).toBeLessThan(0.01);
      }),
      { numRuns: 200 },
    );
  });
});

describe('binary', () => {
  test('has a bit for each number above zero, the most significant first', () => {
    expect([...toBinary(Float32Array.of(1, -1, 0, 2, 0.1, -0.1, 3, -3))]).toEqual([0b1001_1010]);
    expect([...toBinary(Float32Array.of(1, 1, 1, 1, 1, 1, 1, 1, 1))]).toEqual([255, 128]);
    expect(toBinary(new Float32Array(0))).toHaveLength(0);
  });

  test('can be read back to signs', () => {
    fc.assert(
      fc.property(vectors, (vector) => {
        const bits = toBinary(vector);
        for (const [i, value] of vector.entries())
          expect(Boolean(bits[i >> 3]! & (128 >> (i & 7)))).toBe(value > 0);
      }),
      { numRuns: 50 },
    );
  });
});

test('of a model whose entry lists sizes, those and its own can be asked for', () => {
  const sizes = { dimension: 768, supportsDimensions: true, matryoshka: [64, 256] };
  const catalogue = new Catalogue([new FakeModel(systemClock, sizes)], 'fake');
  for (const dimensions of [64, 256, 768])
    expect(readWish({ dimensions }, catalogue).dimension).toBe(dimensions);
  for (const dimensions of [0, -64, 65, 767, 769])
    expect(() => readWish({ dimensions }, catalogue)).toThrow(
      'dimensions must be one of 64, 256, 768 for fake.',
    );
});
