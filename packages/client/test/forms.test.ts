import { expect, test } from 'vitest';
import { createClient } from '../src/index.ts';
import { type Asked, batchOf, fakeFetch, refusal } from './fake-server.ts';

const clientOf = (answer: Parameters<typeof fakeFetch>[0]) => {
  const { fetch, asked } = fakeFetch(answer);
  return { client: createClient('http://127.0.0.1:4000/graphql', { fetch }), asked };
};

test('a form that there is not is refused before anything is sent', async () => {
  const { client, asked } = clientOf(() => refusal('NEVER'));
  const options = { form: 'int4' } as object;
  for (const call of [
    () => client.embed('cat', options),
    () => client.embedMany(['cat'], options),
    () => client.embedChunks('cat', options),
    () => client.embedStream(['cat'], options).next(),
  ])
    await expect(call()).rejects.toThrow("form must be 'float32', 'int8' or 'binary', not int4");
  expect(asked).toHaveLength(0);
});

test('texts whose pieces have no room beside each other are sent again with fewer', async () => {
  /** Each text comes to three pieces, and seven are allowed. */
  const answer = ({ texts }: Asked) => {
    const large = texts.length > 2 ? texts : [];
    return batchOf(
      texts,
      Object.fromEntries(large.map((text) => [text, { code: 'COST_LIMIT_EXCEEDED', retryable: false }])),
    );
  };
  const { client, asked } = clientOf(answer);
  const texts = Array.from({ length: 10 }, (_, i) => `text ${i}`);
  const { results } = await client.embedMany(texts, { longText: 'average' });
  expect(results.filter((result) => 'vector' in result)).toHaveLength(10);
  expect(Math.max(...asked.slice(-3).map((one) => one.texts.length))).toBeLessThanOrEqual(2);
});

test('one that has no room by itself fails alone', async () => {
  const { client } = clientOf(({ texts }) =>
    batchOf(
      texts,
      texts.includes('large') ? { large: { code: 'COST_LIMIT_EXCEEDED', retryable: false } } : {},
    ),
  );
  const { results } = await client.embedMany(['a', 'large', 'b'], { longText: 'average' });
  expect(results).toMatchObject([{ chunks: 1 }, { code: 'COST_LIMIT_EXCEEDED' }, { chunks: 1 }]);
});

test('embedChunks tries again what may pass, and nothing else', async () => {
  const vector = Buffer.from([1, 255]).toString('base64');
  const embedding = { vector, model: 'm', tokens: 3, cost: 0.5, cached: false, truncated: false, chunks: 1 };
  const chunk = { text: 'cat', start: 0, end: 3, tokens: 3, embedding };
  const { client, asked } = clientOf((_, count) =>
    count === 1
      ? refusal('OVERLOADED', { retryable: true, retryAfterMs: 1 })
      : { body: { data: { chunks: [chunk] } } },
  );
  const [first] = await client.embedChunks('cat', { form: 'int8', maxTokens: 20 });
  expect(first).toEqual({
    ...{ text: 'cat', start: 0, end: 3, tokens: 3 },
    embedding: {
      ...{
        vector: Int8Array.of(1, -1),
        model: 'm',
        tokens: 3,
        costUsd: 0.5,
        cached: false,
        truncated: false,
        chunks: 1,
      },
    },
  });
  expect(asked).toHaveLength(2);
  const wrong = clientOf(() => refusal('BAD_USER_INPUT'));
  await expect(wrong.client.embedChunks('cat', { maxTokens: 0 })).rejects.toMatchObject({
    code: 'BAD_USER_INPUT',
  });
  expect(wrong.asked).toHaveLength(1);
});
