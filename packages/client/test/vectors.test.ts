import { expect, test } from 'vitest';
import { cosine, decodeBase64 } from '../src/index.ts';

test('base64 is read as little-endian float32', () => {
  const vector = Float32Array.of(1, -0.5, 3.25e-12, 0);
  expect(decodeBase64(Buffer.from(vector.buffer).toString('base64'))).toEqual(vector);
  expect(() => decodeBase64(Buffer.from([1, 2, 3]).toString('base64'))).toThrow(RangeError);
});

test('cosine is 1, 0 and -1 where it should be', () => {
  expect(cosine([1, 2], [2, 4])).toBeCloseTo(1);
  expect(cosine([1, 0], Float32Array.of(0, 3))).toBe(0);
  expect(cosine([1, 2], [-1, -2])).toBeCloseTo(-1);
  expect(cosine([0, 0], [1, 1])).toBe(0);
  expect(() => cosine([1], [1, 2])).toThrow('Vectors of 1 and 2 numbers');
});
