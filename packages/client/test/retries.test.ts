import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createClient, EmbedError } from '../src/index.ts';
import { type Answer, batchOf, fakeFetch, refusal, vectorOf } from './fake-server.ts';
import { virtually } from './virtual-time.ts';

const url = 'http://embedql.test/graphql';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const refused = () => Object.assign(new TypeError('fetch failed'), { cause: { code: 'ECONNREFUSED' } });
const hangs = () => new Promise<Answer>(() => {});

describe('what is tried again', () => {
  test('only the texts that may succeed later, and each figure counts once', async () => {
    const { fetch, asked } = fakeFetch(({ texts }, count) =>
      batchOf(
        texts,
        count === 1
          ? { b: { code: 'RATE_LIMITED', retryable: true }, x: { code: 'TEXT_TOO_LONG', retryable: false } }
          : {},
      ),
    );
    const client = createClient(url, { fetch });
    const { value } = await virtually(client.embedMany(['a', 'b', 'cc', 'x', ' ']));
    expect(asked.map(({ texts }) => texts)).toEqual([['a', 'b', 'cc', 'x'], ['b']]);
    expect(value).toMatchObject({
      results: [
        { vector: vectorOf('a'), model: 'm', tokens: 1, costUsd: 0.5, cached: false, truncated: false },
        { vector: vectorOf('b') },
        { vector: vectorOf('cc'), cached: true },
        { code: 'TEXT_TOO_LONG' },
        { code: 'BAD_USER_INPUT' },
      ],
      costUsd: 1.5,
      tokens: 4,
      cachedCount: 1,
    });
  });

  test.each([
    ['retryAfterMs', refusal('OVERLOADED', { retryable: true, retryAfterMs: 7_000 })],
    ['Retry-After of a proxy', { status: 503, headers: { 'retry-after': '7' }, body: '<html>' }],
    ['its text', undefined],
  ])('not before the server says so: %s', async (_name, first) => {
    const busy = { a: { code: 'RATE_LIMITED', retryable: true, retryAfterMs: 7_000 } };
    const { fetch, asked } = fakeFetch(({ texts }, count) =>
      count === 1 ? (first ?? batchOf(texts, busy)) : batchOf(texts),
    );
    const { value } = await virtually(createClient(url, { fetch }).embed('a'));
    expect(value).toMatchObject({ vector: vectorOf('a') });
    expect(asked[1]!.at - asked[0]!.at).toBeGreaterThanOrEqual(7_000);
  });

  test('nothing that would have to wait longer than there is time', async () => {
    const { fetch, asked } = fakeFetch(() =>
      refusal('RATE_LIMITED', { retryable: true, retryAfterMs: 60_000 }),
    );
    const { value, ms } = await virtually(createClient(url, { fetch, timeoutMs: 30_000 }).embed('a'));
    expect(value).toMatchObject({ code: 'RATE_LIMITED', retryable: true, retryAfterMs: 60_000 });
    expect([asked.length, ms]).toEqual([1, 0]);
  });

  test.each(['UNAUTHENTICATED', 'MODEL_NOT_FOUND', 'INTERNAL_SERVER_ERROR'])(
    'nothing that is not retryable, and nothing more is sent: %s',
    async (code) => {
      const { fetch, asked } = fakeFetch(() => refusal(code));
      const texts = Array.from({ length: 5_000 }, (_, i) => `t${i}`);
      const { value, ms } = await virtually(createClient(url, { fetch, concurrency: 2 }).embedMany(texts));
      expect(value).toBeInstanceOf(EmbedError);
      expect(value).toMatchObject({ code });
      expect(asked.filter(({ kind }) => kind === 'batch')).toHaveLength(2);
      expect(ms).toBe(0);
    },
  );

  test('nobody there: ten seconds, or as long as timeoutMs says, with the cause', async () => {
    const { fetch, asked } = fakeFetch(() => {
      throw refused();
    });
    const short = await virtually(createClient(url, { fetch }).embed('a'));
    expect(short.value).toMatchObject({
      code: 'NETWORK',
      retryable: true,
      message: expect.stringContaining('No server listens at http://embedql.test/graphql'),
      cause: { cause: { code: 'ECONNREFUSED' } },
    });
    // The last wait begins within ten seconds, and chance may double it; looked at once a second.
    expect(short.ms).toBeLessThanOrEqual(14_000);
    expect(asked.length).toBeGreaterThan(3);
    const long = await virtually(createClient(url, { fetch, timeoutMs: 50_000 }).embed('a'));
    expect(long.ms).toBeGreaterThan(40_000);
  });

  test('no answer at all ends with the time', async () => {
    const { fetch } = fakeFetch(hangs);
    const { value, ms } = await virtually(createClient(url, { fetch, timeoutMs: 3_000 }).embed('a'));
    expect(value).toMatchObject({ code: 'TIMEOUT', message: expect.stringContaining('within 3 s') });
    expect(ms).toBeLessThan(5_000);
  });
});

describe('splitting', () => {
  const limits = { body: { data: { limits: { maxTexts: 100, maxTokens: 1e6, maxBodyBytes: 1e6 } } } };
  const texts = Array.from({ length: 1_000 }, (_, i) => `${i}`);

  test('asks the server once what it takes, and only when texts do not fit into one request', async () => {
    const { fetch, asked } = fakeFetch((one) => (one.kind === 'limits' ? limits : batchOf(one.texts)));
    const client = createClient(url, { fetch });
    await virtually(client.embedMany(texts.slice(0, 200)));
    expect(asked.map(({ kind }) => kind)).toEqual(['batch']);
    asked.length = 0;
    const { value } = await virtually(client.embedMany(texts));
    expect(value).toMatchObject({ results: texts.map((text) => ({ vector: vectorOf(text) })) });
    await virtually(client.embedMany(texts));
    expect(asked.filter(({ kind }) => kind === 'limits')).toHaveLength(1);
    expect(asked.filter(({ kind }) => kind === 'batch').map((one) => one.texts.length)).toEqual(
      Array.from({ length: 20 }, () => 100),
    );
  });

  test.each([
    ['COST_LIMIT_EXCEEDED', refusal('COST_LIMIT_EXCEEDED')],
    ['HTTP 413', { status: 413, body: '<html>' }],
  ])('halves what an older server refuses, and remembers: %s', async (_name, tooLarge) => {
    const { fetch, asked } = fakeFetch((one) => {
      if (one.kind === 'limits') return refusal('BAD_USER_INPUT', {}, 'Cannot query field "limits".');
      return one.texts.length > 50 ? tooLarge : batchOf(one.texts);
    });
    const client = createClient(url, { fetch, concurrency: 3 });
    const { value } = await virtually(client.embedMany(texts));
    expect(value).toMatchObject({ results: texts.map((text) => ({ vector: vectorOf(text) })) });
    asked.length = 0;
    await virtually(client.embedMany(texts));
    expect(asked.every(({ kind, texts }) => kind === 'batch' && texts.length <= 50)).toBe(true);
  });

  test('ends where even one text costs too much', async () => {
    const { fetch, asked } = fakeFetch(({ kind }) =>
      kind === 'limits' ? limits : refusal('COST_LIMIT_EXCEEDED', {}, 'The budget is spent.'),
    );
    const { value } = await virtually(createClient(url, { fetch }).embedMany(texts));
    expect(value).toMatchObject({ code: 'COST_LIMIT_EXCEEDED', message: 'The budget is spent.' });
    expect(asked.length).toBeLessThan(60);
  });

  test('a text that is too large by itself fails alone', async () => {
    const { fetch } = fakeFetch((one) => {
      if (one.kind === 'limits') return refusal('BAD_USER_INPUT');
      return one.texts.includes('huge') ? { status: 413, body: '' } : batchOf(one.texts);
    });
    const { value } = await virtually(createClient(url, { fetch }).embedMany(['a', 'huge', 'b']));
    expect(value).toMatchObject({
      results: [{ vector: vectorOf('a') }, { code: 'BODY_TOO_LARGE' }, { vector: vectorOf('b') }],
    });
  });
});

test('what was answered is kept when the server goes away in the middle', async () => {
  const { fetch } = fakeFetch(({ kind, texts }, count) => {
    if (kind === 'limits' || count > 2) throw refused();
    return batchOf(texts);
  });
  const texts = Array.from({ length: 600 }, (_, i) => `${i}`);
  const client = createClient(url, { fetch, concurrency: 1, timeoutMs: 5_000 });
  const seen: number[] = [];
  const { value } = await virtually(client.embedMany(texts, { onProgress: ({ done }) => seen.push(done) }));
  expect(value).toMatchObject({ costUsd: 128 });
  expect((value as { results: unknown[] }).results[255]).toMatchObject({ vector: vectorOf('255') });
  expect((value as { results: unknown[] }).results[256]).toMatchObject({ code: 'NETWORK' });
  expect(seen).toEqual([256]);
});

test('an abort ends a wait, and is thrown as it was given', async () => {
  const { fetch, asked } = fakeFetch(() => refusal('OVERLOADED', { retryable: true, retryAfterMs: 50_000 }));
  const leaving = new AbortController();
  const reason = new Error('enough');
  const promise = createClient(url, { fetch }).embedMany(['a'], { signal: leaving.signal });
  setTimeout(() => leaving.abort(reason), 1_500);
  const { value, ms } = await virtually(promise);
  expect(value).toBe(reason);
  expect(asked).toHaveLength(1);
  expect(ms).toBeLessThan(3_000);
  await expect(createClient(url, { fetch }).embed('a', { signal: leaving.signal })).rejects.toBe(reason);
});

test('an error of onProgress ends the call', async () => {
  const { fetch } = fakeFetch(({ texts }) => batchOf(texts));
  const { value } = await virtually(
    createClient(url, { fetch }).embedMany(['a'], {
      onProgress: () => {
        throw new Error('mine');
      },
    }),
  );
  expect(value).toMatchObject({ message: 'mine' });
});
