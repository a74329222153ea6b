import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { vectorFromBase64 } from '../../../src/core/vectors.ts';
import { longestNumber, writeFloat32 } from '../../../src/wire/float32-text.ts';
import { SplicedJson } from '../../../src/wire/spliced-json.ts';
import { EncodedVectors } from '../../../src/wire/vector-text.ts';

const textOf = (value: number) => {
  const out = new Uint8Array(longestNumber);
  return Buffer.from(out.subarray(0, writeFloat32(value, out, 0))).toString();
};
/** Digits that count. */
const digitsOf = (text: string) =>
  text
    .replace(/e.*$/, '')
    .replace(/[-.]/g, '')
    .replace(/^0+|0+$/g, '').length;
const shortest = (value: number) => {
  for (let precision = 1; ; precision++) {
    const text = value.toPrecision(precision);
    if (Math.fround(Number(text)) === value) return digitsOf(text);
  }
};
const anyFloat32 = fc.float({ noNaN: true, noDefaultInfinity: true }).map(Math.fround);
const likeInAVector = fc.float({ min: -1, max: 1, noNaN: true });

describe('a float32 as text', () => {
  test.each([
    [0, '0'],
    [-0, '-0'],
    [1, '1'],
    [-0.5, '-0.5'],
    [Math.fround(0.1), '0.1'],
    [Math.fround(0.012345679), '0.012345679'],
    [Math.fround(1e-7), '1e-7'],
    [16_777_216, '16777216'],
    // Seven digits round to 0.0009831931.
    [Math.fround(0.000983193051069975), '0.000983193'],
    [Math.fround(123_456.7), '123456.7'],
    [2 ** -149, '1e-45'],
  ])('%d is %s', (value, text) => {
    expect(textOf(value)).toBe(text);
  });

  test('any one reads back as itself', () => {
    fc.assert(
      fc.property(anyFloat32, (value) => Object.is(Math.fround(JSON.parse(textOf(value))), value)),
      { numRuns: 20_000 },
    );
  });

  test('those of a vector have no digit too many', () => {
    fc.assert(
      fc.property(likeInAVector, (value) => value === 0 || digitsOf(textOf(value)) <= shortest(value)),
      { numRuns: 20_000 },
    );
  });
});

describe('encoded vectors', () => {
  const vector = Float32Array.from([0.25, -1, 0]);

  test('are JSON of what they encode, and the same bytes again from the second time on', () => {
    const encoded = new EncodedVectors(10_000);
    expect(JSON.parse(encoded.bytesOf('numbers', vector).toString())).toEqual([0.25, -1, 0]);
    expect(vectorFromBase64(JSON.parse(encoded.bytesOf('base64', vector).toString()))).toEqual(vector);
    expect(encoded.bytesOf('numbers', vector)).toBe(encoded.bytesOf('numbers', vector));
    expect(encoded.bytesOf('base64', vector)).toBe(encoded.bytesOf('base64', vector));
    const once = Float32Array.from([1]);
    expect(encoded.bytesOf('numbers', once)).not.toBe(encoded.bytesOf('numbers', once));
    expect(encoded.bytesOf('numbers', once)).toBe(encoded.bytesOf('numbers', once));
  });

  test('take no more memory than they may', () => {
    const encoded = new EncodedVectors(2_000);
    const twice = (given: Float32Array) =>
      encoded.bytesOf('base64', given) && encoded.bytesOf('base64', given);
    const first = twice(vector);
    expect(encoded.bytesOf('base64', vector)).toBe(first);
    for (let i = 0; i < 10; i++) twice(Float32Array.from([i]));
    expect(encoded.bytesOf('base64', vector)).not.toBe(first);
  });
});

describe('spliced JSON', () => {
  const allocate = (bytes: number) => Buffer.alloc(bytes);

  test('puts bytes where their marks are, whatever stands around them, few or many', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.jsonValue(),
        fc.array(fc.jsonValue(), { maxLength: 20 }),
        fc.string({ unit: 'binary' }),
        fc.constantFrom(1, 100_000),
        async (around, values, text, numbers) => {
          const json = new SplicedJson();
          const marks = values.map((value) => json.mark(numbers, () => Buffer.from(JSON.stringify(value))));
          const written = await json.write(
            { around, text, marks: [...marks].reverse(), [text]: marks[0] ?? null },
            allocate,
          );
          const expected = { around, text, marks: [...values].reverse(), [text]: values[0] ?? null };
          expect(JSON.parse(written.toString())).toEqual(JSON.parse(JSON.stringify(expected)));
        },
      ),
    );
  });

  test('many vectors are written a few in each turn, and large answers copied a part in each', async () => {
    const turns: number[] = [];
    let turn = 0;
    let isOver = false;
    const count = () => {
      turn += 1;
      if (!isOver) setImmediate(count);
    };
    setImmediate(count);
    const json = new SplicedJson();
    const numbers = 3_072;
    const bytes = Buffer.alloc(30_000, '1');
    const value = Array.from({ length: 2_000 }, () =>
      json.mark(numbers, () => {
        turns.push(turn);
        return bytes;
      }),
    );
    const written = await json.write(value, allocate);
    isOver = true;
    expect(written).toHaveLength(2 + 2_000 * 30_001 - 1);
    const inTurn = new Map<number, number>();
    for (const one of turns) inTurn.set(one, (inTurn.get(one) ?? 0) + 1);
    expect(Math.max(...inTurn.values()) * numbers).toBeLessThanOrEqual(131_072 + numbers);
    expect(turn - turns.at(-1)!).toBeGreaterThanOrEqual(60_000_000 / 8_388_608 - 1);
  });
});
