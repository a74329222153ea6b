import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { mutations } from '../../simulation/mutations.ts';
import { scriptOf } from '../../simulation/script.ts';
import { runWorld } from '../../simulation/world.ts';

// Few seeds; CI runs thousands with `npm run simulate`.
test('in any order of events each text is paid once, and everybody has their own answer', async () => {
  const failed: Array<{ seed: number; violations: readonly string[] }> = [];
  for (let seed = 1_000_000; seed < 1_000_200; seed++) {
    const { violations } = await runWorld(scriptOf(seed));
    if (violations.length > 0) failed.push({ seed, violations });
  }
  expect(failed, 'replay one with npm run simulate -- --seed N --events').toEqual([]);
});

test('a seed is the same world every time', async () => {
  const first = await runWorld(scriptOf(7), true);
  expect(first.story.length).toBeGreaterThan(10);
  expect(await runWorld(scriptOf(7), true)).toEqual(first);
});

test('every defect that npm run simulate:mutants puts back has its place in the source', async () => {
  for (const { what, file, text, replacement } of mutations) {
    const source = await readFile(new URL(`../../../src/${file}`, import.meta.url), 'utf8');
    expect(source.split(text).length - 1, `${what}: ${file} must have this once: ${text}`).toBe(1);
    expect(replacement, what).not.toBe(text);
  }
});
