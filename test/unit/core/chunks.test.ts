import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { mostPieces, type Piece, type SplitOptions, splitText } from '../../../src/core/chunks.ts';
import { weightedMean } from '../../../src/core/long-texts.ts';
import { countEach } from '../../../src/providers/tokens/cl100k.ts';

type Count = SplitOptions['count'];

/** Tokenizers of different kinds, each with what it adds to a text. */
const tokenizers: Record<string, { special: number; count: Count }> = {
  'cl100k, nothing added': { special: 0, count: countEach },
  'a token for each unit, two added': {
    special: 2,
    count: async (texts) => texts.map((text) => text.length + 2),
  },
  'words, where blanks are nothing and long words one': {
    special: 2,
    count: async (texts) =>
      texts.map((text) => {
        const words = text.match(/[\p{L}\p{N}]+|[^\p{L}\p{N}\s]/gu) ?? [];
        return 2 + words.reduce((sum, word) => sum + (word.length > 20 ? 1 : Math.ceil(word.length / 4)), 0);
      }),
  },
  'more for a whole than for its parts': {
    special: 1,
    count: async (texts) => texts.map((text) => 1 + Math.ceil(text.length ** 1.3)),
  },
};

const anyText = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        ...['A cat purrs. ', 'Why? ', 'Dr. No said: "No!" ', 'one two three ', '\n\n', '\n', '   '],
      ),
      fc.constantFrom(
        ...[
          '人工知能は人間の知能を模倣する。',
          'สวัสดีครับ',
          '👨‍👩‍👧‍👦',
          'e\u0301\u0301\u0301',
          'x'.repeat(90),
          '-'.repeat(40),
        ],
      ),
      fc.string({ unit: 'grapheme', maxLength: 30 }),
      fc.string({ unit: 'binary', maxLength: 10 }),
      fc.lorem({ mode: 'sentences', maxCount: 3 }).map((sentences) => `${sentences} `),
    ),
    { minLength: 1, maxLength: 30 },
  )
  .map((parts) => parts.join('').toWellFormed())
  .filter((text) => text !== '');

const split = (text: string, count: Count, options: Partial<SplitOptions> = {}) =>
  splitText(text, { maxTokens: 20, overlapTokens: 0, prefix: '', count, ...options });

const sliceOf = (text: string, { start, end }: Piece) => text.slice(start, end);

/** The text out of its pieces, each without what the one before it has, with the white space that no piece has. */
function joined(text: string, pieces: readonly Piece[]): string {
  const between = pieces.map(({ start }, i) => text.slice(pieces[i - 1]?.end ?? 0, start));
  const behind = text.slice(pieces.at(-1)!.end);
  for (const gap of [...between, behind]) expect(gap.trim()).toBe('');
  const own = pieces.map(({ start, end }, i) => text.slice(Math.max(start, pieces[i - 1]?.end ?? 0), end));
  return own.map((part, i) => between[i]! + part).join('') + behind;
}

describe.each(Object.entries(tokenizers))('%s', (_name, { special, count }) => {
  test('pieces are the text, and within the limit', async () => {
    await fc.assert(
      fc.asyncProperty(
        anyText,
        fc.integer({ min: 8, max: 60 }),
        fc.integer({ min: 0, max: 30 }),
        fc.constantFrom('', 'passage: '),
        async (text, room, overlap, prefix) => {
          const [taken] = await count([prefix]);
          const maxTokens = taken! + room;
          const overlapTokens = Math.min(overlap, room - 6);
          if (overlapTokens < 0) return;
          const pieces = await split(text, count, { maxTokens, overlapTokens, prefix });
          expect(joined(text, pieces)).toBe(text);
          const counts = await count(pieces.map((piece) => prefix + sliceOf(text, piece)));
          expect(pieces.map(({ tokens }) => tokens)).toEqual(counts);
          for (const [i, { start, end, tokens }] of pieces.entries()) {
            expect(tokens).toBeLessThanOrEqual(maxTokens);
            expect(end).toBeGreaterThan(Math.max(start, pieces[i - 1]?.end ?? 0));
            // Only of a text that is nothing else.
            if (text.trim() !== '') expect(sliceOf(text, pieces[i]!).trim()).not.toBe('');
            else expect(start).toBeLessThanOrEqual(pieces[i - 1]?.end ?? 0);
            if (overlapTokens === 0) expect(start).toBeGreaterThanOrEqual(pieces[i - 1]?.end ?? 0);
            else expect(start).toBeGreaterThanOrEqual(pieces[i - 1]?.start ?? 0);
            // Characters are whole.
            expect(sliceOf(text, pieces[i]!).isWellFormed()).toBe(true);
          }
          // Of a tokenizer that gives no more tokens than there are bytes.
          if ((await count([text]))[0]! - special <= Buffer.byteLength(text))
            expect(pieces.length).toBeLessThanOrEqual(mostPieces(text, { maxTokens, overlapTokens, prefix }));
        },
      ),
      { numRuns: 150 },
    );
  });

  test('stops where there are more pieces than may be', async () => {
    const text = 'A cat purrs on the sill. '.repeat(400);
    const options = { maxTokens: special + 60 };
    const all = await split(text, count, options);
    expect(all.length).toBeGreaterThan(10);
    expect(await split(text, count, { ...options, mostPieces: 5 })).toEqual(all.slice(0, 6));
    expect(await split(text, count, { ...options, mostPieces: all.length })).toEqual(all);
  });

  test.each(
    Object.entries({
      letters: 'x'.repeat(60_000),
      blanks: ' '.repeat(60_000),
      lines: '\n'.repeat(60_000),
      marks: `a${'\u0301'.repeat(60_000)}`,
      dots: '. '.repeat(30_000),
      families: '👨‍👩‍👧‍👦'.repeat(6_000),
      'sentences that are a little too long for a window': `${'y'.repeat(4_097)}. `.repeat(15),
      characters: '人工知能は人間の知能を模倣する'.repeat(4_000),
    }),
  )('counts no part of a text often: %s', async (_kind, text) => {
    let units = 0;
    const pieces = await split(
      text,
      (texts, atMost) => {
        units += texts.reduce((sum, one) => sum + one.length, 0);
        return count(texts, atMost);
      },
      { maxTokens: 256 },
    );
    expect(joined(text, pieces)).toBe(text);
    expect(units).toBeLessThan(16 * text.length);
  });
});

describe('where a text is cut', () => {
  const { count } = tokenizers['a token for each unit, two added']!;

  test('between sentences where they fit, between words where one does not', async () => {
    const segmenter = new Intl.Segmenter('en', { granularity: 'sentence' });
    const sentence = fc
      .array(fc.constantFrom('cat', 'feline', 'purrs', 'windowsill', 'on'), { minLength: 1, maxLength: 30 })
      .map((words) => `A ${words.join(' ')}. `);
    await fc.assert(
      fc.asyncProperty(fc.array(sentence, { minLength: 1, maxLength: 20 }), async (sentences) => {
        const text = sentences.join('');
        const parts = [...segmenter.segment(text)];
        const pieces = await split(text, count, { maxTokens: 82 });
        for (const { end } of pieces) {
          const inside = parts.find(({ index, segment }) => index < end && end < index + segment.length);
          if (!inside) continue;
          expect(inside.segment.length).toBeGreaterThan(80);
          expect(text[end - 1]).toBe(' ');
        }
      }),
      { numRuns: 200 },
    );
  });

  test('between graphemes where a word does not fit, and inside of one only where that does not fit', async () => {
    const family = '👨‍👩‍👧‍👦';
    for (const [text, most] of [
      [family.repeat(50), 30],
      ['e\u0301'.repeat(100), 9],
    ] as const) {
      const [grapheme] = [...new Intl.Segmenter('en').segment(text)];
      const { length } = grapheme!.segment;
      for (const { start } of await split(text, count, { maxTokens: most + 2 }))
        expect(start % length).toBe(0);
    }
    const zalgo = `a${'\u0301'.repeat(99)}`;
    const pieces = await split(zalgo.repeat(2), count, { maxTokens: 12 });
    expect(joined(zalgo.repeat(2), pieces)).toBe(zalgo.repeat(2));
    expect(pieces.length).toBeGreaterThanOrEqual(20);
  });

  test('blank lines belong to what stands before them; a paragraph is kept rather than a sentence', async () => {
    const text = `${'One two three. '.repeat(3)}\n\n${'Four five six. '.repeat(5)}\n\n`.repeat(6);
    const pieces = await split(text, count, { maxTokens: 92 });
    for (const piece of pieces) expect(sliceOf(text, piece)).toMatch(/^\S/);
    expect(pieces.filter((piece) => sliceOf(text, piece).endsWith('\n\n')).length).toBeGreaterThan(
      pieces.length / 2,
    );
  });

  test('white space is no piece by itself, however small the pieces, nor is it counted as one', async () => {
    const text = '  cat \n\n\n\u3000\u00a0 dog   ';
    const slices = async (tokenizer: Count, options: Partial<SplitOptions>) =>
      (await split(text, tokenizer, options)).map((piece) => sliceOf(text, piece));
    expect(await slices(count, { maxTokens: 3 })).toEqual([...'catdog']);
    for (const maxTokens of [1, 2, 3])
      for (const slice of await slices(countEach, { maxTokens })) expect(slice).toMatch(/\S/);
    for (const maxTokens of [4, 5, 6, 7, 8])
      for (const overlapTokens of [0, 1])
        for (const slice of await slices(count, { maxTokens, overlapTokens })) expect(slice).toMatch(/\S/);
    expect(await slices(count, { maxTokens: 3, mostPieces: 3 })).toEqual([...'catd']);
    const far = `a${' '.repeat(5_000)}b`;
    expect((await split(far, count, { maxTokens: 12, mostPieces: 2 })).length).toBe(2);
  });

  test('a text of nothing but white space keeps its pieces', async () => {
    const pieces = await split(' \n'.repeat(20), count, { maxTokens: 12 });
    expect(pieces.map((piece) => sliceOf(' \n'.repeat(20), piece)).join('')).toBe(' \n'.repeat(20));
  });

  test('an overlap is words of the piece before, as many as it has room for', async () => {
    const text = 'The quick brown fox jumps over the lazy dog and goes home. '.repeat(30);
    const pieces = await split(text, count, { maxTokens: 102, overlapTokens: 25 });
    expect(pieces.length).toBeGreaterThan(10);
    for (const [i, { start }] of pieces.entries()) {
      if (i === 0) continue;
      const overlap = text.slice(start, pieces[i - 1]!.end);
      expect(overlap.length).toBeGreaterThan(14);
      expect(overlap.length).toBeLessThanOrEqual(25);
      expect(text[start - 1]).toBe(' ');
    }
  });
});

describe('bad input', () => {
  const { count } = tokenizers['a token for each unit, two added']!;

  test.each([
    [{ maxTokens: 2 }, /^maxTokens must be 3 or more/],
    [{ maxTokens: 11, prefix: 'passage: ' }, /^maxTokens must be 12 or more/],
    [{ maxTokens: 10, overlapTokens: 8 }, /^overlapTokens must be less than 8/],
    [{ maxTokens: 3 }, /^maxTokens is too small: the text has a character of 2 tokens/],
  ])('%j', async (options, message) => {
    await expect(split('👨 and 👩 and 👧', count, options)).rejects.toMatchObject({
      code: 'BAD_USER_INPUT',
      message: expect.stringMatching(message),
    });
  });
});

describe('after an edit', () => {
  /** The same texts every time. */
  function* random(seed: number): Generator<number, never> {
    for (let state = seed; ; ) {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      yield state / 2 ** 32;
    }
  }

  function article(seed: number, sentences: number): string[] {
    const numbers = random(seed);
    const words =
      'the a cat dog bank rate river sold bought runs quickly under over green old new of in'.split(' ');
    const next = () => numbers.next().value;
    return Array.from({ length: sentences }, () => {
      const length = 4 + Math.floor(next() * 20);
      const sentence = Array.from({ length }, () => words[Math.floor(next() * words.length)]).join(' ');
      return `${sentence[0]!.toUpperCase()}${sentence.slice(1)}.${next() < 0.15 ? '\n\n' : ' '}`;
    });
  }

  test('wherever it is, nearly all pieces are what they were', async () => {
    let changed = 0;
    let edits = 0;
    for (let seed = 1; seed <= 20; seed++) {
      const before = article(seed, 400);
      const known = new Set<string>();
      const text = before.join('');
      const pieces = await split(text, countEach, { maxTokens: 256 });
      for (const piece of pieces) known.add(sliceOf(text, piece));
      expect(pieces.length).toBeGreaterThan(20);
      for (const at of [0, 57, 200, 390]) {
        for (const edited of [
          before.with(at, 'Something else stands here now. '),
          before.toSpliced(at, 0, 'This was put in between, and is new. '),
          before.toSpliced(at, 2),
        ]) {
          const now = edited.join('');
          const fresh = (await split(now, countEach, { maxTokens: 256 })).filter(
            (piece) => !known.has(sliceOf(now, piece)),
          );
          edits += 1;
          changed += fresh.length;
          expect(fresh.length).toBeLessThanOrEqual(12);
        }
      }
    }
    expect(changed / edits).toBeLessThan(2);
  });
});

describe('the mean of pieces', () => {
  test('is the sum of each vector as often as it has tokens, scaled to unit length', () => {
    const vector = fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: 8, maxLength: 8 });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(vector, fc.integer({ min: 1, max: 8_191 })), { minLength: 1, maxLength: 20 }),
        (pieces) => {
          const vectors = pieces.map(([numbers]) => Float32Array.from(numbers));
          const weights = pieces.map(([, tokens]) => tokens);
          const mean = weightedMean(vectors, weights);
          const sums = Array.from({ length: 8 }, (_, i) =>
            vectors.reduce((sum, one, n) => sum + weights[n]! * one[i]!, 0),
          );
          const norm = Math.hypot(...sums);
          if (norm < 1e-6) return;
          for (const [i, sum] of sums.entries()) expect(mean[i]).toBeCloseTo(sum / norm, 5);
          // Weights count by their shares alone.
          const again = weightedMean(
            vectors,
            weights.map((weight) => 3 * weight),
          );
          for (const [i, value] of mean.entries()) expect(again[i]).toBeCloseTo(value, 5);
        },
      ),
    );
  });

  test('of vectors that cancel each other out is zero, not NaN', () => {
    const mean = weightedMean([Float32Array.of(1, 0), Float32Array.of(-1, 0)], [5, 5]);
    expect([...mean]).toEqual([0, 0]);
  });
});
