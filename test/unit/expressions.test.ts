import { isSafePattern } from 'redos-detector';
import { describe, expect, test } from 'vitest';
import { type Expression, expressionsIn, programsIn } from '../support/expressions.ts';

const folders = [
  'src',
  'assets',
  'packages/client/src',
  'packages/local-runtime/src',
  'packages/look-ahead/src',
];

/** Put together while the program runs, of parts that are ours. */
const dynamic: readonly string[] = [];

/** What is wrong with an expression; undefined for one whose work is linear in what it reads. */
function fault({ at, pattern, flags, source }: Expression): string | undefined {
  if (pattern === undefined)
    return dynamic.includes(source) ? undefined : `${at} ${source} cannot be checked: write it as a literal`;
  // A sticky one is tried at one place only.
  const { safe } = isSafePattern(flags.includes('y') ? `^(?:${pattern})` : pattern, {
    caseInsensitive: flags.includes('i'),
    unicode: flags.includes('u'),
    dotAll: flags.includes('s'),
    multiLine: flags.includes('m'),
  });
  return safe ? undefined : `${at} ${source} backtracks: anchor it, bound it, or search without it`;
}

test('no regular expression of ours backtracks', () => {
  const expressions = folders.flatMap(programsIn).flatMap(({ file, source }) => expressionsIn(source, file));
  expect(expressions.length).toBeGreaterThan(50);
  expect(expressions.flatMap((expression) => fault(expression) ?? [])).toEqual([]);
}, 240_000);

describe('the check itself', () => {
  const faultsOf = (source: string, file = 'x.ts') =>
    expressionsIn(source, file).flatMap((expression) => fault(expression) ?? []);

  test.each([
    // H12: cleaning messages took 18 s for 1 MB.
    String.raw`const x: RegExp = /got invalid value [\s\S]*; /;`,
    "text.replace(/(cannot represent [^:]*): .../, '');",
    // H5: cutting runs took 200 steps for each character.
    'new RegExp("\\\\p{L}{200}|[^\\\\s\\\\p{L}\\\\p{N}]{200}", "gu");',
    '/(a+)+$/.test(text);',
    'RegExp(made);',
  ])('finds %s', (source) => expect(faultsOf(`\n${source}`)).toEqual([expect.stringContaining('x.ts:2 ')]));

  test('lets good ones through', () => {
    expect(faultsOf(String.raw`/^\d{1,9}$/.test(a); const b = "/(a+)+$/"; // /(a+)+$/`)).toEqual([]);
  });

  test('reads the scripts of pages', () => {
    expect(programsIn('assets').filter(({ file }) => file.endsWith('.html')).length).toBeGreaterThan(0);
  });
});
