import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createClient, type StreamedResult } from '../src/index.ts';
import { chunkOf, events, fakeFetch, refusal, vectorOf } from './fake-server.ts';
import { virtually } from './virtual-time.ts';

const url = 'http://embedql.test/graphql';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** All results by their places. @throws what the stream throws */
async function collect(stream: AsyncIterable<StreamedResult>): Promise<Map<number, unknown>> {
  const { value } = await virtually(read(stream));
  if (value instanceof Error) throw value;
  return value;
}

async function read(stream: AsyncIterable<StreamedResult>): Promise<Map<number, unknown>> {
  const seen = new Map<number, unknown>();
  for await (const { index, result } of stream) {
    expect(seen.has(index)).toBe(false);
    seen.set(index, result);
  }
  return seen;
}

test('each text comes once; those that may succeed later, and those that were cut off, are asked for again', async () => {
  const texts = ['a', 'bb', ' ', 'ccc', 'dddd'];
  const { fetch, asked } = fakeFetch((one, count) => {
    // ' ' is not sent, so the places are those of a, bb, ccc, dddd.
    if (count === 1)
      return events(
        [
          chunkOf(one.texts, [2], [{ index: 1, code: 'OVERLOADED', message: '', retryable: true }]),
          chunkOf(one.texts, [0]),
        ],
        'event: next\ndata: {"cut',
      );
    return events([chunkOf(one.texts, [...one.texts.keys()])]);
  });
  const seen = await collect(createClient(url, { fetch }).embedStream(texts));
  expect([...seen.keys()]).toEqual([2, 3, 0, 1, 4]);
  expect(seen.get(2)).toMatchObject({ code: 'BAD_USER_INPUT' });
  expect(seen.get(1)).toMatchObject({ vector: vectorOf('bb'), model: 'm', costUsd: 0.5 });
  expect(asked.map((one) => one.texts)).toEqual([
    ['a', 'bb', 'ccc', 'dddd'],
    ['bb', 'dddd'],
  ]);
  expect(asked[0]!.headers['accept']).toBe('text/event-stream');
});

test('a refusal inside of the stream splits it, or is thrown', async () => {
  const { fetch, asked } = fakeFetch((one) => {
    if (one.kind === 'limits') return refusal('BAD_USER_INPUT');
    if (one.texts.includes('bad')) return events([refusal('MODEL_NOT_FOUND').body]);
    if (one.texts.length > 2) return events([refusal('COST_LIMIT_EXCEEDED').body]);
    return events([chunkOf(one.texts, [...one.texts.keys()])]);
  });
  const client = createClient(url, { fetch });
  expect((await collect(client.embedStream(['a', 'b', 'c', 'd', 'e']))).size).toBe(5);
  expect(Math.max(...asked.slice(-3).map(({ texts }) => texts.length))).toBe(2);
  await expect(collect(client.embedStream(['bad']))).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' });
});

test('what is refused again and again ends with the time', async () => {
  const { fetch } = fakeFetch(() =>
    events([chunkOf([], [], [{ index: 0, code: 'OVERLOADED', message: 'full', retryable: true }])]),
  );
  const seen = await collect(createClient(url, { fetch, timeoutMs: 2_000 }).embedStream(['a']));
  expect(seen.get(0)).toMatchObject({ code: 'OVERLOADED', message: 'full' });
});

test('an answer that is no stream is told for what it is', async () => {
  const answers = [
    refusal('FORBIDDEN'),
    { body: '<html>' },
    { body: { data: { stream: {} } } },
    { headers: { 'content-type': 'text/event-stream' }, body: 'data: {"a\n\n' },
  ];
  for (const [i, code] of ['FORBIDDEN', 'NOT_GRAPHQL', 'NOT_GRAPHQL', 'NOT_GRAPHQL'].entries()) {
    const { fetch } = fakeFetch(() => answers[i]!);
    await expect(collect(createClient(url, { fetch }).embedStream(['a']))).rejects.toMatchObject({ code });
  }
});
