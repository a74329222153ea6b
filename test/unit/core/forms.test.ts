import { decodeBinary, decodeInt8, hamming } from '@embedql/client';
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

  test('is read back with half a step of error at the most, by the client, too', () => {
    fc.assert(
      fc.property(vectors, (vector) => {
        const largest = vector.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
        const bytes = decodeInt8(bytesToBase64(toInt8(vector)));
        expect(bytes).toHaveLength(vector.length);
        for (const [i, value] of vector.entries())
          expect(Math.abs(bytes[i]! - (largest === 0 ? 0 : (127 * value) / largest))).toBeLessThan(0.501);
      }),
      { numRuns: 50 },
    );
  });

  const error = (a: Float32Array, b: Float32Array) =>
    Math.abs(
      cosineSimilarity(Float32Array.from(toInt8(a)), Float32Array.from(toInt8(b))) - cosineSimilarity(a, b),
    );

  test('keeps the cosine of any two vectors as well as half a step allows', () => {
    /** How far a vector can turn: half a step in each number, over its length in steps. */
    const turn = (vector: Float32Array) => {
      const largest = vector.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      return (0.5 * Math.sqrt(vector.length)) / Math.hypot(...vector.map((value) => (127 * value) / largest));
    };
    fc.assert(
      fc.property(vectors, vectors, (a, b) => {
        const length = Math.min(a.length, b.length);
        const [x, y] = [a.slice(0, length), b.slice(0, length)];
        if (x.every((value) => value === 0) || y.every((value) => value === 0)) return;
        expect(error(x, y)).toBeLessThan(2 * (turn(x) + turn(y)) + 1e-6);
      }),
      { numRuns: 200 },
    );
  });

  // docs/quality.md has the same of real vectors: with 384 numbers some pairs are further off than 0.001.
  test.each([
    [384, 0.004],
    [768, 0.003],
    [1_536, 0.0015],
    [3_072, 0.001],
  ])('keeps the cosine of vectors like those of models within 0.001, with %i numbers', (dimension, most) => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const next = normal(seed);
        const vector = () => Float32Array.from({ length: dimension }, next);
        const errors = Array.from({ length: 30 }, () => error(vector(), vector()));
        expect(errors.reduce((sum, one) => sum + one, 0) / errors.length).toBeLessThan(0.001);
        expect(Math.max(...errors)).toBeLessThan(most);
      }),
      { numRuns: 10 },
    );
  });
});

/** Normally distributed numbers, as those in vectors of models are, more or less. */
function normal(seed: number): () => number {
  let state = seed | 1;
  const uniform = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
  return () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
}

describe('binary', () => {
  test('has a bit for each number above zero, the most significant first', () => {
    expect([...toBinary(Float32Array.of(1, -1, 0, 2, 0.1, -0.1, 3, -3))]).toEqual([0b1001_1010]);
    expect([...toBinary(Float32Array.of(1, 1, 1, 1, 1, 1, 1, 1, 1))]).toEqual([255, 128]);
    expect(toBinary(new Float32Array(0))).toHaveLength(0);
  });

  test('can be read back to signs, by the client, too; hamming counts those that differ', () => {
    fc.assert(
      fc.property(vectors, (vector) => {
        const bits = decodeBinary(bytesToBase64(toBinary(vector)));
        expect(bits).toEqual(toBinary(vector));
        const opposite = toBinary(vector.map((value) => (value > 0 ? -1 : 1)));
        expect(hamming(bits, opposite)).toBe(vector.length);
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
