import fc from 'fast-check';
import { Lexer, Source, TokenKind } from 'graphql';
import { expect, test } from 'vitest';
import { excessOf } from '../../../src/doors/graphql/plugins/document-size.ts';

/** Long enough to be looked at. */
const filler = ' '.repeat(5_000);
const most = Number.POSITIVE_INFINITY;

/** Tokens as the parser's own lexer counts them, comments too; undefined where it finds something wrong. */
function tokensOf(source: string): number | undefined {
  try {
    const lexer = new Lexer(new Source(source));
    const first = lexer.token;
    while (lexer.advance().kind !== TokenKind.EOF);
    let count = -1;
    for (let token = first.next; token; token = token.next) count += 1;
    return count;
  } catch {
    return undefined;
  }
}

test('counts the tokens that the parser counts, whatever the document', () => {
  const piece = fc.constantFrom(
    '{ a(x: "b", y: [1 -2.5e+3 $v]) { ...f @d(if: true) } }',
    '"',
    '"""',
    '"\\""',
    '"\\\\"',
    '"""a\n"b" \\""" c"""',
    '""',
    '""""""',
    `"${'long '.repeat(40)}\\n${'long '.repeat(40)}"`,
    `"""${'long '.repeat(40)}\r\n"${'long '.repeat(40)}\\"""""" `,
    '# a comment "\n',
    '#\r',
    '\ufeff',
    ',',
    '\t',
    '...',
    '&',
    '|',
    '_a1',
    '12',
    '\\',
    '🐈',
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const source = pieces.join(' ');
      const tokens = tokensOf(source);
      fc.pre(tokens !== undefined);
      expect(excessOf(filler + source, tokens!)).toBe(undefined);
      if (tokens! > 0) expect(excessOf(filler + source, tokens! - 1)).toMatch(/^more than \d+ tokens$/);
    }),
    { numRuns: 2_000 },
  );
});

test.each([
  ['{ a }'.repeat(2_000), 4_000, 'tokens'],
  ['# a\n'.repeat(5_000), 4_000, 'tokens'],
  [`{ ${'a'.repeat(1_025)} }`, most, 'a name or number'],
  [`{ a(x: ${'1'.repeat(1_025)}) }`, most, 'a name or number'],
  [`{ a(x: "${'\\n'.repeat(140_000)}") }`, most, 'lines and escapes'],
  [`{ a(x: """${'\n'.repeat(140_000)}""") }`, most, 'lines and escapes'],
  [`{ a(x: """${'"a'.repeat(140_000)}""") }`, most, 'lines and escapes'],
  [`{ a }${'\n'.repeat(1_100_000)}`, most, 'blanks'],
  [`{ a } #${'a'.repeat(1_100_000)}`, most, 'blanks'],
  [`{ a }${',#\r'.repeat(500_000)}`, most, 'blanks'],
  [`{ a(x: "${'a'.repeat(9_000_000)}") }`, most, 'characters (send'],
])('%#: %.20s has too much', (source, maxTokens, what) => {
  expect(excessOf(filler + source, maxTokens)).toContain(what);
});

test.each([
  `{ a(x: "${'long '.repeat(1_000_000)}") }`,
  `{ a(x: "${'a line that somebody wrote\\n'.repeat(100_000)}") }`,
  `{ ${'          field\n'.repeat(50_000)} }`,
])('%#: %.20s is an ordinary one', (source) => {
  expect(excessOf(source, 140_000)).toBe(undefined);
});

/** A text that counts how often somebody looks at one of its characters. */
class Counted {
  looks = 0;
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  get length(): number {
    return this.#text.length;
  }

  charCodeAt(at: number): number {
    this.looks += 1;
    return this.#text.charCodeAt(at);
  }

  startsWith(start: string, at: number): boolean {
    this.looks += start.length;
    return this.#text.startsWith(start, at);
  }

  /** What the processor searches by itself is counted by the search. */
  indexOf(text: string, from: number): number {
    this.looks += 1;
    return this.#text.indexOf(text, from);
  }
}

test('looks at each character a few times at most, and no further than the first excess', () => {
  const looks = (text: string, maxTokens = most) => {
    const counted = new Counted(text);
    excessOf(counted as unknown as string, maxTokens);
    return counted.looks;
  };
  const unit = 100_000;
  for (const text of [
    ' '.repeat(unit),
    '{ a } '.repeat(unit / 6),
    `"${'a'.repeat(unit)}"`,
    '"" '.repeat(unit / 3),
    `"${'\\n'.repeat(unit / 2)}"`,
    `"""${'"'.repeat(2)}${'\n'.repeat(unit)}"""`,
    `"""${`"${'a'.repeat(70)}`.repeat(unit / 71)}"""`,
    `"""${'\\"""'.repeat(unit / 4)}"""`,
    '#\n'.repeat(unit / 2),
  ])
    expect(looks(text)).toBeLessThanOrEqual(5 * text.length);
  expect(looks('{ a } '.repeat(unit), 1_000)).toBeLessThan(10_000);
  expect(looks('a'.repeat(unit * 10))).toBeLessThan(3_000);
  expect(looks(`"${'long '.repeat(unit * 10)}"`)).toBeLessThan(1_000);
});
