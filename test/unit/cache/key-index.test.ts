import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { KeyIndex, type Place } from '../../../src/cache/disk/key-index.ts';

const head = (n: number) => createHash('sha256').update(String(n)).digest();
const labels = ['embed:v2:a:doc', 'embed:v2:a:query', 'embed:v2:b:doc'];

type Step =
  | readonly ['set' | 'use' | 'delete', label: number, key: number, size: number]
  | readonly ['remove', segment: number];

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 20,
    arbitrary: fc.tuple(
      fc.constantFrom('set', 'set', 'set', 'use', 'delete'),
      fc.nat(2),
      fc.nat(400),
      fc.integer({ min: 17, max: 60_000 }),
    ),
  },
  { weight: 1, arbitrary: fc.tuple(fc.constant('remove' as const), fc.nat(4)) },
);

test('does what a Map does, whatever is set, used and removed', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 2_000, size: 'max' }), (steps) => {
      const index = new KeyIndex();
      const expected = new Map<string, Place>();
      const used = new Set<string>();
      for (const one of steps) {
        if (one[0] === 'remove') {
          const before = expected.size;
          for (const [key, { segment }] of expected) if (segment === one[1]) expected.delete(key);
          const counts = [...index.remove(one[1], () => true)];
          expect(counts.reduce((a, b) => a + b)).toBe(before - expected.size);
          continue;
        }
        const [what, label, key, size] = one;
        const name = `${label} ${key}`;
        if (what === 'set') {
          const place = { segment: size % 5, offset: size * 3, size, writtenAt: key };
          index.set(labels[label]!, head(key), place);
          expected.set(name, place);
          used.delete(name);
        } else if (what === 'use') {
          index.use(labels[label]!, head(key));
          used.add(name);
        } else {
          index.delete(labels[label]!, head(key));
          expected.delete(name);
        }
      }
      expect(index.size).toBe(expected.size);
      for (const [l, label] of labels.entries()) {
        for (let key = 0; key <= 400; key++) {
          const name = `${l} ${key}`;
          expect(index.get(label, head(key))).toEqual(expected.get(name));
          if (expected.has(name)) expect(index.isUsed(label, head(key))).toBe(used.has(name));
        }
      }
    }),
    { numRuns: 30 },
  );
});

test('takes up less than 100 bytes an entry', () => {
  const index = new KeyIndex();
  for (let i = 0; i < 100_000; i++)
    index.set(labels[i % 3]!, head(i), { segment: 1, offset: i, size: 100, writtenAt: 1 });
  expect(index.size).toBe(100_000);
  expect(index.bytes / index.size).toBeLessThan(100);
});
