import { expect, test } from 'vitest';
import { cosine, decodeBase64, decodeBinary, decodeInt8, hamming } from '../src/index.ts';

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

test('base64 of bytes is read with and without signs', () => {
  const bytes = [0, 1, 127, 128, 129, 255];
  const base64 = Buffer.from(bytes).toString('base64');
  expect(decodeInt8(base64)).toEqual(Int8Array.of(0, 1, 127, -128, -127, -1));
  expect(decodeBinary(base64)).toEqual(Uint8Array.from(bytes));
});

test('hamming counts the bits that differ', () => {
  const bits = (byte: number) => byte.toString(2).replaceAll('0', '').length;
  for (let a = 0; a < 256; a++) expect(hamming([a, 0b1010], [0, 0b1010])).toBe(bits(a));
  expect(hamming(Uint8Array.of(0b1111_0000, 255), [0b0000_1111, 254])).toBe(9);
  expect(hamming([], [])).toBe(0);
  expect(() => hamming([1], [1, 2])).toThrow('Vectors of 1 and 2 bytes');
});
