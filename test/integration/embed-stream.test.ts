import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { startEmbedQL, type TestServer } from '../support/embedql.ts';
import { type ProviderServer, startProvider, vectorOf } from '../support/provider-server.ts';
import { decode } from '../support/vectors.ts';

let provider: ProviderServer;
let server: TestServer;

beforeAll(async () => {
  provider = await startProvider();
  server = await startEmbedQL({ ...provider.env, EMBEDQL_PROVIDER_CONCURRENCY: '2' });
});
beforeEach(() => {
  provider.forget();
  provider.delayMs = 0;
});
afterAll(async () => {
  await server.stop();
  await provider.close();
});

interface Chunk {
  done: number;
  total: number;
  embeddings: Array<{ index: number; embedding: { embeddingBase64: string } }>;
  failures: Array<{ index: number; code: string }>;
}

async function* stream(
  texts: string[],
  signal?: AbortSignal,
): AsyncGenerator<{ data?: { embedStream: Chunk }; errors?: Array<{ extensions: { code: string } }> }> {
  const query =
    'subscription($texts: [String!]!) { embedStream(texts: $texts) { done total embeddings { index embedding { embeddingBase64 } } failures { index code } } }';
  const response = await server.post(
    { query, variables: { texts } },
    { headers: { accept: 'text/event-stream' }, signal: signal ?? null },
  );
  let buffer = '';
  for await (const piece of response.body!.pipeThrough(new TextDecoderStream())) {
    buffer += piece;
    const events = buffer.split('\n\n');
    buffer = events.pop()!;
    for (const event of events) {
      const data = /^data: ?(.+)$/m.exec(event)?.[1];
      if (data) yield JSON.parse(data);
    }
  }
}

test('results come as batches finish, each text once, with its failures', async () => {
  const texts = Array.from({ length: 350 }, (_, i) =>
    i === 7 ? ' ' : i === 120 ? `${provider.poison} bad` : `streamed ${i}`,
  );
  const seen = new Map<number, string>();
  const done: number[] = [];
  for await (const { data } of stream(texts)) {
    const { embeddings, failures, done: soFar, total } = data!.embedStream;
    expect(total).toBe(350);
    done.push(soFar);
    for (const { index, embedding } of embeddings) seen.set(index, embedding.embeddingBase64);
    for (const { index, code } of failures) seen.set(index, code);
  }
  expect(done).toHaveLength(4);
  expect(done.at(-1)).toBe(350);
  expect(done).toEqual([...done].sort((a, b) => a - b));
  expect(seen.size).toBe(350);
  expect([seen.get(7), seen.get(120)]).toEqual(['BAD_USER_INPUT', 'PROVIDER_ERROR']);
  expect(decode(seen.get(349)!)).toEqual(vectorOf('streamed 349'));
});

test('nothing more is computed for a client that has gone', async () => {
  provider.delayMs = 50;
  const leaving = new AbortController();
  const texts = Array.from({ length: 2_000 }, (_, i) => `abandoned ${i}`);
  await expect(
    (async () => {
      for await (const _ of stream(texts, leaving.signal)) leaving.abort();
    })(),
  ).rejects.toThrow();
  await new Promise((resolve) => setTimeout(resolve, 400));
  const calls = provider.calls.length;
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(provider.calls.length).toBe(calls);
  expect(calls).toBeLessThan(15);
});

test('a stream over EMBEDQL_MAX_TEXTS, or of a model that is not there, is a coded error', async () => {
  for await (const { errors } of stream(Array.from({ length: 2_049 }, (_, i) => `t${i}`))) {
    expect(errors![0]!.extensions.code).toBe('COST_LIMIT_EXCEEDED');
  }
  expect(provider.calls).toEqual([]);
});
