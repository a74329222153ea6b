import { describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/core/clock.ts';
import type { ModelSpec } from '../../../src/core/model.ts';
import { type Log, type LogLine, silentLog } from '../../../src/core/surroundings.ts';
import { checkedModel } from '../../../src/providers/dependable/checked-model.ts';
import { Pause } from '../../../src/providers/dependable/pause.ts';
import type { ProviderModel } from '../../../src/providers/provider.ts';

const spec: ModelSpec = {
  name: 'm',
  provider: 'p',
  dimension: 2,
  maxBatchSize: 2,
  maxInputTokens: 5,
  costPer1kTokens: 0,
  supportsDimensions: false,
};
const good = { vector: Float32Array.from([1, 2]), tokens: 3 };
const signal = new AbortController().signal;
const asDocuments = { kind: 'doc' } as const;

/** A stranger's model, which gives and throws what the types forbid. */
function model(strange: { [Method in keyof ProviderModel]?: unknown }, log: Log = silentLog) {
  const sound: ProviderModel = {
    spec,
    remote: true,
    status: () => ({ available: true, loaded: true }),
    identity: async () => 'm',
    fit: async (texts) => texts.map((text) => ({ text, maxTokens: text.length, truncated: false })),
    embed: async (texts) => texts.map(() => good),
    close: async () => {},
  };
  return checkedModel({ ...sound, ...strange } as ProviderModel, log);
}
const throwing = (error: unknown) => () => Promise.reject(error);

describe("a stranger's answer", () => {
  test.each<[string, unknown, RegExp]>([
    ['nothing', undefined, /returned no vectors for 1 texts/],
    ['too many', [good, good], /returned 2 vectors for 1 texts/],
    ['a hole', [undefined], /other than a Float32Array/],
    ['a list of numbers', [{ vector: [1, 2], tokens: 1 }], /other than a Float32Array/],
    [
      'another dimension',
      [{ ...good, vector: new Float32Array(3) }],
      /3 numbers instead of its "dimension", 2/,
    ],
    ['infinity', [{ ...good, vector: Float32Array.from([1, Number.POSITIVE_INFINITY]) }], /not a number/],
  ])('%s is refused', async (_name, answer, message) => {
    await expect(model({ embed: async () => answer }).embed(['text'], signal, asDocuments)).rejects.toThrow(
      message,
    );
  });

  describe('tokens', () => {
    const charged = async (texts: string[], tokens: unknown[], strange = {}, log = silentLog) => {
      const { embed } = model(
        { embed: async () => tokens.map((count) => ({ ...good, tokens: count })), ...strange },
        log,
      );
      return (await embed(texts, signal, asDocuments)).map((one) => one.tokens);
    };
    const four = ['text', 'text', 'text', 'text'];

    test('that are possible are charged as they are, and what is no count is none', async () => {
      expect(await charged(four, [Number.NaN, -1, undefined, '4'])).toEqual([0, 0, 0, 0]);
      expect(await charged(four, [1.5, 7, 0, 30])).toEqual([2, 7, 0, 30]);
      // A token is at least one byte: 4 texts of 4 bytes, and 8 for each.
      expect(await charged(four, [48, 0, 0, 0])).toEqual([48, 0, 0, 0]);
      expect(await charged(['ü€🐈'], [9 + 8])).toEqual([17]);
    });

    test('that cannot be are counted here, and told once', async () => {
      const lines: unknown[] = [];
      const log: Log = { ...silentLog, warn: ((...line: unknown[]) => lines.push(line)) as LogLine };
      for (const lie of [49, 5e9, Number.POSITIVE_INFINITY])
        expect(await charged(four, [lie, 0, 0, 0])).toEqual([4, 4, 4, 4]);
      expect(await charged(['ü€🐈'], [9 + 9])).toEqual([4]);
      expect(await charged(four, [49, 0, 0, 0], { countTokens: async () => [1, 2, 3, 4] })).toEqual([
        1, 2, 3, 4,
      ]);
      const { embed } = model({ embed: async () => [{ ...good, tokens: 5e9 }] }, log);
      for (let call = 0; call < 3; call++) await embed(['secret'], signal, asDocuments);
      expect(lines).toHaveLength(1);
      expect(JSON.stringify(lines)).not.toContain('secret');
    });
  });

  test('what else it says is checked, too', async () => {
    await expect(model({ identity: async () => 'two words' }).identity()).rejects.toThrow(/one word/);
    await expect(model({ identity: async () => undefined }).identity()).rejects.toThrow(/one word/);
    await expect(model({ fit: async () => [] }).fit(['text'])).rejects.toThrow(
      /did not return every text from fit/,
    );
    await expect(model({ fit: async () => [{}] }).fit(['text'])).rejects.toThrow(
      /other than a text from fit/,
    );
    await expect(model({ countTokens: async () => [1, 2] }).countTokens(['text'])).rejects.toThrow(
      /did not count/,
    );
    expect(await model({}).countTokens(['text'])).toEqual([4]);
    expect(model({ status: () => undefined }).status()).toMatchObject({ available: false });
  });
});

describe("a stranger's error", () => {
  test('that says nothing is no reason to try again, and its message goes nowhere', async () => {
    const lines: unknown[] = [];
    const log: Log = { ...silentLog, error: ((...line: unknown[]) => lines.push(line)) as LogLine };
    const { embed, identity } = model(
      {
        embed: throwing(new RangeError('the text was: secret')),
        identity: throwing('secret'),
      },
      log,
    );
    const failure = {
      code: 'PROVIDER_ERROR',
      retryable: false,
      message: expect.not.stringContaining('secret'),
    };
    await expect(embed(['secret'], signal, asDocuments)).rejects.toMatchObject(failure);
    await expect(identity()).rejects.toMatchObject(failure);
    expect(JSON.stringify(lines)).toMatch(/RangeError.*checked-model\.test/);
    expect(JSON.stringify(lines)).not.toContain('secret');
  });

  test('of a connection is one', async () => {
    const broken = model({ embed: () => fetch('http://127.0.0.1:1') });
    await expect(broken.embed(['text'], signal, asDocuments)).rejects.toMatchObject({
      code: 'PROVIDER_ERROR',
      retryable: true,
    });
  });
});

test('a pause is no longer than an hour, whatever the provider says', () => {
  const pause = new Pause(systemClock);
  pause.extend(Number.NaN);
  expect(pause.remainingMs).toBe(0);
  pause.extend(3e9);
  expect(pause.remainingMs).toBeGreaterThan(3_500_000);
  expect(pause.remainingMs).toBeLessThanOrEqual(3_600_000);
});
