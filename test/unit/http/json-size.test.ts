import fc from 'fast-check';
import { expect, test } from 'vitest';
import { hasMoreInside } from '../../../src/http/json-size.ts';

/** Lists, objects and members in a value. */
function inside(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  const members = Array.isArray(value) ? 0 : Object.keys(value).length;
  return 1 + members + Object.values(value).reduce((sum: number, one) => sum + inside(one), 0);
}

/** Members of the object that has most. */
function mostMembers(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  const members = Array.isArray(value) ? 0 : Object.keys(value).length;
  return Math.max(members, ...Object.values(value).map(mostMembers));
}

/** Bytes of the longest name of a member, as it is written. */
function longestName(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  const names = Array.isArray(value) ? [] : Object.keys(value);
  const written = names.map((name) => Buffer.byteLength(JSON.stringify(name)) - 2);
  return Math.max(0, ...written, ...Object.values(value).map(longestName));
}

test('counts lists, objects and members, and nothing in strings', () => {
  // Some are longer than what is looked at byte by byte.
  const text = fc.string({
    size: '+1',
    unit: fc.constantFrom('[', '{', ':', '}', '"', '\\', 'a', '\n', '\ud800'),
  });
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
      const members = mostMembers(value);
      const name = longestName(value);
      const text = Buffer.from(JSON.stringify(value));
      const limits = { inside: count, members, name };
      expect(hasMoreInside(text, limits)).toBe(false);
      if (count > 0) expect(hasMoreInside(text, { ...limits, inside: count - 1 })).toBe(true);
      if (members > 0) expect(hasMoreInside(text, { ...limits, members: members - 1 })).toBe(true);
      if (name > 0) expect(hasMoreInside(text, { ...limits, name: name - 1 })).toBe(true);
    }),
  );
});

test('what is no JSON has an end, too', () => {
  for (const json of ['"', '"\\"', '\\"[', '[[[', ''] as const)
    expect(hasMoreInside(Buffer.from(json), { inside: 5, members: 5, name: 5 })).toBe(false);
});

test('looks at each byte once at most, and no further than the first excess', () => {
  const looks = (text: string) => {
    let count = 0;
    const bytes = Buffer.from(text);
    const counted = new Proxy(bytes, {
      get(target, key) {
        if (typeof key === 'string' && /^\d+$/.test(key)) count += 1;
        const value = Reflect.get(target, key) as unknown;
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
    hasMoreInside(counted, { inside: 100, members: 10, name: 10 });
    return count;
  };
  const unit = 50_000;
  for (const text of [
    `["${'a'.repeat(unit)}"]`,
    `["${'\\"'.repeat(unit)}"]`,
    `["${'\\\\'.repeat(unit)}"]`,
    `["${`${'a'.repeat(100)}\\\\\\"`.repeat(unit / 100)}"]`,
    `[${'"",'.repeat(unit)}""]`,
  ])
    expect(looks(text)).toBeLessThanOrEqual(1.1 * text.length + 100);
  expect(looks('['.repeat(unit))).toBeLessThan(200);
  expect(looks(`{${'"a":1,'.repeat(unit)}}`)).toBeLessThan(200);
  expect(looks(`{"${'a'.repeat(unit)}":1,${'1,'.repeat(unit)}}`)).toBeLessThan(200);
});
