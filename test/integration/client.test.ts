import { createServer } from 'node:net';
import {
  cosine,
  createClient,
  type Embedding,
  EmbedError,
  EmbedManyError,
  hamming,
  type Progress,
} from '@embedql/client';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { toBinary, toInt8 } from '../../src/core/forms.ts';
import { shortenVector } from '../../src/core/vectors.ts';
import { startEmbedQL, type TestServer } from '../support/embedql.ts';
import { type ProviderServer, sendFailure, startProvider, vectorOf } from '../support/provider-server.ts';

let provider: ProviderServer;
let server: TestServer;
const client = (options = {}) => createClient(`${server.url}/graphql`, { apiKey: 'right', ...options });

beforeAll(async () => {
  provider = await startProvider();
  server = await startEmbedQL({
    ...provider.env,
    EMBEDQL_API_KEYS: 'right',
    EMBEDQL_PROVIDER_RETRIES: '0',
    EMBEDQL_MAX_TEXTS: '100',
  });
});
beforeEach(() => {
  provider.forget();
  provider.delayMs = 0;
});
afterAll(async () => {
  await server.stop();
  await provider.close();
});

let texts = 0;
const many = (n: number) => Array.from({ length: n }, () => `client text ${++texts}`);
const billedUsd = () => (provider.billedTokens() * 0.00002) / 1_000;

describe('many texts', () => {
  test.each(['document', 'query'] as const)(
    'are one operation and one provider call where they fit: %s',
    async (kind) => {
      const asked = many(30);
      expect(await client().embedVectors(asked, { kind })).toEqual(asked.map((text) => vectorOf(text)));
      expect(provider.calls.map(({ input }) => input)).toEqual([asked]);
      expect(await client().embedMany([])).toEqual({ results: [], costUsd: 0, tokens: 0, cachedCount: 0 });
    },
  );

  test('more than the server takes are split, in order, with duplicates and empty ones, and cost what was billed', async () => {
    const asked = many(5_000);
    asked[3] = asked[4_999]!;
    asked[77] = asked[78]!;
    asked[1_234] = ' ';
    const progress: Progress[] = [];
    const { results, costUsd, tokens, cachedCount } = await client().embedMany(asked, {
      onProgress: (one) => progress.push(one),
    });
    for (const [i, text] of asked.entries()) {
      if (i === 1_234) expect(results[i]).toMatchObject({ code: 'BAD_USER_INPUT', retryable: false });
      else if (!isEmbeddingOf(text, results[i]!)) expect.fail(`${i} has not its own vector`);
    }
    expect(provider.calls.flatMap(({ input }) => input)).toHaveLength(4_997);
    expect(costUsd).toBeCloseTo(billedUsd(), 12);
    expect(tokens).toBeGreaterThanOrEqual(provider.billedTokens());
    expect(cachedCount).toBeLessThanOrEqual(2);
    expect(progress.at(-1)).toMatchObject({ done: 5_000, failed: 1, total: 5_000 });
    expect(progress.map(({ done }) => done)).toEqual(
      progress.map(({ done }) => done).toSorted((a, b) => a - b),
    );
    const again = await client().embedMany(asked);
    expect([again.cachedCount, again.costUsd]).toEqual([4_999, 0]);
  });

  test('each have their own error, and the others their vectors', async () => {
    const [one, two] = many(2) as [string, string];
    const asked = [one, ' ', `${provider.poison} ${two}`, two];
    const failure = (await client()
      .embedVectors(asked)
      .catch((error: unknown) => error)) as EmbedManyError;
    expect(failure).toBeInstanceOf(EmbedManyError);
    expect(failure.message).toMatch(/^2 of 4 texts/);
    expect(failure.results[0]).toMatchObject({ vector: vectorOf(one) });
    expect(failure.results[1]).toMatchObject({ code: 'BAD_USER_INPUT', retryable: false });
    expect(failure.results[2]).toMatchObject({ code: 'PROVIDER_ERROR', retryable: false });
    expect(failure.results[3]).toMatchObject({ vector: vectorOf(two) });
  });

  test('what a provider refused for the moment is asked for again, when it says so, and nothing else', async () => {
    const [good] = await client().embedVectors(many(1));
    expect(good).toBeDefined();
    const cached = `client text ${texts}`;
    const asked = [cached, ...many(3)];
    provider.forget();
    const refusedAt: number[] = [];
    provider.misbehave = (_call, response, count) => {
      if (count > 1) return false;
      refusedAt.push(performance.now());
      sendFailure(response, 429, { headers: { 'retry-after': '1' } });
      return true;
    };
    const { results, costUsd } = await client().embedMany(asked);
    expect(results.map((result) => !(result instanceof EmbedError) && result.vector)).toEqual(
      asked.map((text) => vectorOf(text)),
    );
    expect(performance.now() - refusedAt[0]!).toBeGreaterThan(900);
    expect(provider.calls.map(({ input }) => input)).toEqual([asked.slice(1), asked.slice(1)]);
    expect(costUsd).toBeCloseTo(billedUsd(), 12);
  });

  test('can be given up in the middle', async () => {
    provider.delayMs = 100;
    const leaving = new AbortController();
    const promise = client().embedMany(many(5_000), {
      signal: leaving.signal,
      onProgress: () => leaving.abort(),
    });
    await expect(promise).rejects.toMatchObject({ name: 'AbortError' });
    await settled();
    expect(provider.calls.length).toBeLessThan(30);
  });
});

test('one text: its figures, its options, its error', async () => {
  const [text] = many(1) as [string];
  const first = await client().embed(text);
  expect(first).toMatchObject({
    vector: vectorOf(text),
    model: 'text-embedding-3-small',
    tokens: provider.billedTokens(),
    cached: false,
    truncated: false,
  });
  expect(first.costUsd).toBeCloseTo(billedUsd(), 12);
  expect(await client().embed(text)).toMatchObject({ cached: true, costUsd: 0, tokens: first.tokens });
  const large = await client().embedQuery(text, {
    model: 'text-embedding-3-large',
    dimensions: 5,
    useCache: false,
    truncate: false,
  });
  expect(large.vector).toHaveLength(5);
  expect(provider.calls.at(-1)!.model).toBe('text-embedding-3-large');
  await expect(client().embed('')).rejects.toMatchObject({ code: 'BAD_USER_INPUT' });
  await expect(client().embed(`${provider.poison}`)).rejects.toMatchObject({ code: 'PROVIDER_ERROR' });
  await expect(client().embed('a', { model: 'nope' })).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' });
});

describe('who is at the URL', () => {
  test('a key that is missing or wrong, a path that is not GraphQL', async () => {
    await expect(client({ apiKey: undefined }).embed('a')).rejects.toThrow(/requires a key/);
    await expect(client({ apiKey: 'wrong' }).embed('a')).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
      message: expect.stringContaining('does not accept this key'),
    });
    const withHeader = client({ apiKey: undefined, headers: { Authorization: 'Bearer right' } });
    expect((await withHeader.embed('a')).vector).toHaveLength(1_536);
    for (const path of ['', '/', '/v1', '/v1/embeddings', '/graphq'])
      await expect(
        createClient(`${server.url}${path}`, { apiKey: 'right' }).embed('a'),
      ).rejects.toMatchObject({
        code: 'NOT_GRAPHQL',
        retryable: false,
        message: expect.stringContaining('/graphql?'),
      });
  });

  test('nobody: after the time that was given, with the cause', async () => {
    const url = `http://127.0.0.1:${await freePort()}/graphql`;
    const error = await createClient(url, { timeoutMs: 300 })
      .embed('a')
      .catch((error: unknown) => error);
    expect(error).toBeInstanceOf(EmbedError);
    expect(error).toMatchObject({
      code: 'NETWORK',
      retryable: true,
      cause: { cause: { code: 'ECONNREFUSED' } },
    });
    expect((error as Error).message).toContain(`No server listens at ${url}`);
  });

  test('a server that comes up while the client tries', async () => {
    const port = await freePort();
    const [text] = many(1) as [string];
    const promise = createClient(`http://127.0.0.1:${port}/graphql`, { timeoutMs: 50_000 }).embed(text);
    await new Promise((resolve) => setTimeout(resolve, 300));
    const late = await startEmbedQL({ ...provider.env, PORT: String(port) });
    try {
      expect((await promise).vector).toEqual(vectorOf(text));
    } finally {
      await late.stop();
    }
  });
});

describe('a stream', () => {
  test('gives every text once, also where there are more than one operation may have', async () => {
    const asked = many(250);
    asked[9] = ' ';
    asked[120] = `${provider.poison} bad`;
    const seen = new Map<number, unknown>();
    let costUsd = 0;
    for await (const { index, result } of client().embedStream(asked)) {
      expect(seen.has(index)).toBe(false);
      seen.set(index, result);
      if (!(result instanceof EmbedError)) costUsd += result.costUsd;
    }
    expect(seen.size).toBe(250);
    expect([seen.get(9), seen.get(120)]).toMatchObject([
      { code: 'BAD_USER_INPUT' },
      { code: 'PROVIDER_ERROR' },
    ]);
    expect(seen.get(249)).toMatchObject({ vector: vectorOf(asked[249]!), model: 'text-embedding-3-small' });
    expect(costUsd).toBeCloseTo(billedUsd(), 12);
    await expect(async () => {
      for await (const _ of client().embedStream(['a'], { model: 'nope' }));
    }).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' });
  });

  test('that is left early stops the provider, and so does an abort', async () => {
    const patient = await startEmbedQL({ ...provider.env, EMBEDQL_PROVIDER_CONCURRENCY: '1' });
    try {
      provider.delayMs = 50;
      const streaming = createClient(`${patient.url}/graphql`);
      for await (const { index } of streaming.embedStream(many(2_000))) if (index >= 0) break;
      await settled();
      expect(provider.calls.length).toBeLessThan(8);
      const leaving = new AbortController();
      await expect(async () => {
        for await (const _ of streaming.embedStream(many(2_000), { signal: leaving.signal })) leaving.abort();
      }).rejects.toMatchObject({ name: 'AbortError' });
      await settled();
      expect(provider.calls.length).toBeLessThan(16);
    } finally {
      await patient.stop();
    }
  });
});

/** Looking into each number of thousands of vectors takes the test runner minutes. */
function isEmbeddingOf(text: string, result: Embedding | EmbedError): boolean {
  if (result instanceof EmbedError) return false;
  return Buffer.from(result.vector.buffer).equals(Buffer.from(vectorOf(text).buffer));
}

/** Waits until the provider is not called any more. */
async function settled(): Promise<void> {
  for (let before = -1; before !== provider.calls.length; ) {
    before = provider.calls.length;
    await new Promise((resolve) => setTimeout(resolve, 4 * provider.delayMs + 100));
  }
}

/** A port at which nobody listens. */
async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const { port } = probe.address() as { port: number };
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

test('every form, from every method', async () => {
  const text = `client text ${++texts}`;
  const whole = await client().embed(text);
  const small = await client().embed(text, { form: 'int8' });
  expect(small.vector).toEqual(toInt8(vectorOf(text)));
  expect(small).toMatchObject({ cached: true, chunks: 1 });
  expect(Math.abs(cosine(small.vector, whole.vector) - 1)).toBeLessThan(0.001);
  const [bits, others] = await client().embedVectors([text, `other ${text}`], {
    form: 'binary',
    dimensions: 100,
  });
  expect(bits).toEqual(toBinary(shortenVector(vectorOf(text), 100)));
  expect(bits).toHaveLength(13);
  expect(hamming(bits!, bits!)).toBe(0);
  expect(hamming(bits!, others!)).toBeGreaterThan(0);
  for await (const { result } of client().embedStream([text], { form: 'int8' }))
    expect(result).toMatchObject({ vector: toInt8(vectorOf(text)), chunks: 1 });
});

test('long texts: averaged, refused, in pieces', async () => {
  const text = Array.from(
    { length: 900 },
    (_, i) => `Sentence ${i} of a long text of the client purrs.`,
  ).join(' ');
  const chunks = await client().embedChunks(text, { form: 'int8' });
  expect(chunks.map((chunk) => chunk.text).join('')).toBe(text);
  expect(chunks[0]!.embedding.vector).toEqual(toInt8(vectorOf(chunks[0]!.text)));
  const average = await client().embed(text, { longText: 'average' });
  expect(average).toMatchObject({ chunks: chunks.length, cached: true, truncated: false });
  await expect(client().embed(text, { longText: 'refuse' })).rejects.toMatchObject({ code: 'TEXT_TOO_LONG' });
  await expect(client().embedChunks(text, { maxTokens: 0 })).rejects.toMatchObject({
    code: 'BAD_USER_INPUT',
  });
  await expect(client().embedChunks(' ')).rejects.toMatchObject({ code: 'BAD_USER_INPUT' });
  // 100 texts are allowed: two of these are more.
  const list = Array.from({ length: 3 }, (_, n) => `${n} ${text} `.repeat(40));
  const { results } = await client().embedMany(list, { longText: 'average' });
  for (const result of results) expect(result).toMatchObject({ chunks: expect.any(Number) });
  const streamed = [];
  for await (const { result } of client().embedStream(list, { longText: 'average' })) streamed.push(result);
  for (const result of streamed) expect(result).toMatchObject({ cached: true });
});
