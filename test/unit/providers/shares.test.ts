import fc from 'fast-check';
import { expect, test } from 'vitest';
import { shares } from '../../../src/providers/local/shares.ts';

const anyTexts = fc.array(fc.string({ maxLength: 400 }), { minLength: 1, maxLength: 100 });

test('every text is dealt once, to at most as many workers as there are', () => {
  fc.assert(
    fc.property(anyTexts, fc.integer({ min: 1, max: 6 }), (texts, workers) => {
      const dealt = shares(texts, workers);
      expect(dealt.length).toBeLessThanOrEqual(workers);
      expect(dealt.every((share) => share.length > 0)).toBe(true);
      expect(dealt.flat().sort((a, b) => a - b)).toEqual([...texts.keys()]);
    }),
  );
});

test('texts of the same length are dealt evenly, and the long ones apart from the short ones', () => {
  const even = shares(
    Array.from({ length: 64 }, () => 'the same'),
    2,
  );
  expect(even.map((share) => share.length)).toEqual([32, 32]);
  const mixed = [...Array.from({ length: 30 }, () => 'short'), 'long '.repeat(100)];
  expect(shares(mixed, 2).at(-1)).toContain(30);
  expect(shares(['one'], 4)).toEqual([[0]]);
});
