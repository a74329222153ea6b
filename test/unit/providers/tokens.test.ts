import fc from 'fast-check';
import { countTokens } from 'gpt-tokenizer/encoding/cl100k_base';
import { describe, expect, test } from 'vitest';
import { AdaptiveLimit } from '../../../src/providers/dependable/adaptive-limit.ts';
import { Pause } from '../../../src/providers/dependable/pause.ts';
import { readRetryAfter } from '../../../src/providers/failures.ts';
import { microBatches } from '../../../src/providers/local/micro-batches.ts';
import { countEach, cutEachToTokens } from '../../../src/providers/tokens/cl100k.ts';
import { apportion } from '../../../src/providers/tokens/counter.ts';
import { pieces } from '../../../src/providers/tokens/pieces.ts';
import { VirtualTime } from '../../support/virtual-time.ts';

const plain = (text: string) => countTokens(text, { disallowedSpecial: new Set() });

describe('counting cl100k tokens', () => {
  test('agrees with the tokenizer on ordinary text, special tokens and emoji', async () => {
    const texts = [
      '',
      'cat',
      'The quick brown fox.',
      '<|endoftext|> is text',
      '東京は日本の首都です。',
      '🐈‍⬛🎉',
      'line\n\n\nline',
      'a  b   c    d',
    ];
    expect(await countEach(texts)).toEqual(texts.map(plain));
  });

  test('a text that fits is left alone; another is cut to a start of it that fits', async () => {
    const text = fc.oneof(fc.string({ unit: 'grapheme', maxLength: 300 }), fc.lorem({ maxCount: 80 }));
    await fc.assert(
      fc.asyncProperty(text, fc.integer({ min: 1, max: 60 }), async (whole, limit) => {
        const [cut] = await cutEachToTokens([whole], limit);
        expect(cut!.tokens).toBeLessThanOrEqual(limit);
        expect(plain(cut!.text)).toBe(cut!.tokens);
        expect(whole.startsWith(cut!.text)).toBe(true);
        expect(cut!.truncated).toBe(cut!.text !== whole);
        if (!cut!.truncated) expect(plain(whole)).toBeLessThanOrEqual(limit);
        // A character can take several tokens, of which none fits alone.
        else expect(cut!.tokens).toBeGreaterThanOrEqual(Math.max(0, limit - 12));
      }),
      { numRuns: 300 },
    );
  });
});

describe('a very long text', () => {
  const long = (unit: string) => unit.repeat(Math.ceil(1_000_000 / unit.length));
  const hostile = {
    'letters just short of a run': long(`${'a'.repeat(199)} `),
    'dots just short of a run': long(`${'.'.repeat(199)}a`),
    'no space': long('abcdefghij'),
    'spaces only': long(' '),
    'space and line break': long(' \n'),
    digits: long('7'),
    emoji: long('🐈‍⬛'),
    'replacement characters': long('\ufffd'),
    'no spaces between words': long('東京は日本の首都です'),
    marks: long('a\u0301'),
  };

  /** How many characters are looked at. */
  async function looks(work: () => unknown): Promise<number> {
    const { codePointAt } = String.prototype;
    let count = 0;
    String.prototype.codePointAt = function (this: string, at: number) {
      count += 1;
      return codePointAt.call(this, at);
    };
    try {
      await work();
      return count;
    } finally {
      String.prototype.codePointAt = codePointAt;
    }
  }

  test.each(Object.entries(hostile))('%s: counted up to the limit and no further', async (_name, text) => {
    let counted: number[] = [];
    // No token of the encoding is longer than 128 characters, and a piece is 4,096 at the most.
    const most = 100 * 128 + 4_096 + 200;
    expect(
      await looks(async () => {
        counted = await countEach([text], 100);
      }),
    ).toBeLessThan(most);
    expect(counted[0]).toBeGreaterThanOrEqual(100);
    let cuts: Awaited<ReturnType<typeof cutEachToTokens>> = [];
    // Where it ends within a piece is searched for in that piece.
    expect(
      await looks(async () => {
        cuts = await cutEachToTokens([text], 100);
      }),
    ).toBeLessThan(most + 13 * 4_296);
    const [cut] = cuts;
    expect(cut).toMatchObject({ truncated: true });
    expect(cut!.tokens).toBeLessThanOrEqual(100);
    expect(cut!.tokens).toBeGreaterThan(85);
    expect(text.startsWith(cut!.text)).toBe(true);
  });

  test.each(Object.entries(hostile))(
    '%s: falls into short pieces, each character looked at once',
    async (_name, text) => {
      let joined = '';
      let longest = 0;
      const seen = await looks(() => {
        for (const piece of pieces(text)) {
          joined += piece;
          longest = Math.max(longest, piece.length);
        }
      });
      expect(joined === text).toBe(true);
      expect(longest).toBeLessThan(4_096 + 600);
      expect(seen).toBeLessThanOrEqual(text.length);
    },
  );

  test('pieces change no token of what people write', () => {
    const sentence =
      "It's 1,234,567 o'clock — naïve façade's \"quotes\" (and {code}: a_b[12345] += 0x1F;)\r\n\r\n\tНо вот   ещё. 東京、日本。 हिन्दी भाषा ไทย\n";
    const text = sentence.repeat(100);
    const list = [...pieces(text)];
    expect(list.length).toBeGreaterThan(5);
    expect(list.reduce((sum, piece) => sum + plain(piece), 0)).toBe(plain(text));
  });
});

describe('apportion', () => {
  test('gives parts that add up, each within one of its share', () => {
    fc.assert(
      fc.property(fc.nat(1_000_000), fc.array(fc.nat(10_000), { minLength: 1 }), (total, weights) => {
        const parts = apportion(total, weights);
        expect(parts.reduce((a, b) => a + b, 0)).toBe(total);
        const sum = weights.reduce((a, b) => a + b, 0);
        for (const [i, part] of parts.entries()) {
          const share = sum > 0 ? (total * weights[i]!) / sum : total / weights.length;
          expect(Math.abs(part - share)).toBeLessThan(1.000001);
        }
      }),
    );
    expect(apportion(6, [1, 2, 3])).toEqual([1, 2, 3]);
  });
});

describe('microBatches', () => {
  test('has every text once, beside texts of its length, within the tokens of a pass', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 512 }), { maxLength: 200 }), (lengths) => {
        const groups = microBatches(lengths);
        expect(groups.flat().sort((a, b) => a - b)).toEqual([...lengths.keys()]);
        for (const group of groups) {
          const own = group.map((i) => lengths[i]!);
          const [shortest, longest] = [Math.min(...own), Math.max(...own)];
          expect(longest).toBeLessThanOrEqual(Math.max(shortest * 1.25, shortest + 4));
          expect(group.length === 1 || group.length * longest <= 2_048).toBe(true);
        }
      }),
    );
  });
});

describe('when to come back', () => {
  const now = Date.parse('2026-11-24T12:00:00Z');
  test.each([
    [{ 'retry-after': '2' }, 2_000],
    [{ 'retry-after': '1.5' }, 1_500],
    [{ 'retry-after': 'Tue, 24 Nov 2026 12:00:05 GMT' }, 5_000],
    [{ 'retry-after': 'Tue, 24 Nov 2026 11:00:00 GMT' }, 0],
    [{ 'retry-after-ms': '250', 'retry-after': '9' }, 250],
    [{ 'retry-after': 'soon' }, undefined],
    [{ 'retry-after': '-5' }, undefined],
    [{ 'retry-after': '-5', 'x-ratelimit-reset-requests': '2s' }, 2_000],
    [{}, undefined],
  ])('%o', (headers, expected) => {
    expect(readRetryAfter(new Headers(headers as Record<string, string>), now)).toBe(expected);
  });

  test('a pause is never made shorter', () => {
    const pause = new Pause(new VirtualTime());
    pause.extend(5_000);
    pause.extend(10);
    expect(pause.remainingMs).toBe(5_000);
  });
});

test('the limit of calls in flight halves, and grows by one a round', () => {
  const limit = new AdaptiveLimit(8);
  limit.tooMany();
  limit.tooMany();
  expect(limit.current).toBe(2);
  for (let i = 0; i < 2; i++) limit.succeeded();
  expect(limit.current).toBe(3);
  for (let i = 0; i < 100; i++) limit.succeeded();
  expect(limit.current).toBe(8);
  for (let i = 0; i < 9; i++) limit.tooMany();
  expect(limit.current).toBe(1);
});
