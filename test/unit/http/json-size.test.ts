import fc from 'fast-check';
import { expect, test } from 'vitest';
import { hasMoreInside } from '../../../src/http/json-size.ts';

/** Lists and objects in a value. */
function inside(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  return 1 + Object.values(value).reduce((sum: number, one) => sum + inside(one), 0);
}

test('counts lists and objects, and no brackets in strings', () => {
  const text = fc.string({ unit: fc.constantFrom('[', '{', '"', '\\', 'a', '\n', '\ud800') });
  const json = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      text,
      fc.integer(),
      fc.array(tie('value')),
      fc.dictionary(text, tie('value')),
    ),
  })).value;
  fc.assert(
    fc.property(json, (value) => {
      const count = inside(value);
      expect(hasMoreInside(JSON.stringify(value), count)).toBe(false);
      if (count > 0) expect(hasMoreInside(JSON.stringify(value), count - 1)).toBe(true);
    }),
  );
});

test('what is no JSON has an end, too', () => {
  for (const json of ['"', '"\\"', '\\"[', '[[[', ''] as const) expect(hasMoreInside(json, 5)).toBe(false);
});
