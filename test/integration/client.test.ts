import { createClient, EmbedError, EmbedManyError } from '@embedql/client';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startEmbedQL, type TestServer } from '../support/embedql.ts';
import { type ProviderServer, startProvider, vectorOf } from '../support/provider-server.ts';

let provider: ProviderServer;
let server: TestServer;
const url = () => `${server.url}/graphql`;

beforeAll(async () => {
  provider = await startProvider();
  server = await startEmbedQL({ ...provider.env, EMBEDQL_API_KEYS: 'right' });
});
beforeEach(() => provider.forget());
afterAll(async () => {
  await server.stop();
  await provider.close();
});

let texts = 0;
const many = (n: number) => Array.from({ length: n }, () => `client text ${++texts}`);

describe('embedql/client', () => {
  test.each([{ shape: 'batch' }, { shape: 'aliases' }, { kind: 'query' }] as const)(
    'embeds many texts in one operation and keeps their order: %o',
    async (options) => {
      const client = createClient(url(), { apiKey: 'right' });
      const asked = many(30);
      const vectors = await client.embedMany(asked, options);
      for (const [i, text] of asked.entries()) expect(vectors[i]).toEqual(vectorOf(text));
      expect(provider.calls.map(({ input }) => input)).toEqual([asked]);
    },
  );

  test.each(['batch', 'aliases'] as const)(
    'tells each text its own error and gives the others their vectors: %s',
    async (shape) => {
      const client = createClient(url(), { apiKey: 'right' });
      const [one, two] = many(2) as [string, string];
      const asked = [one, ' ', `${provider.poison} ${two}`, two];
      const failure = (await client
        .embedMany(asked, { shape })
        .catch((error: unknown) => error)) as EmbedManyError;
      expect(failure).toBeInstanceOf(EmbedManyError);
      expect(failure.message).toMatch(/^2 of 4 texts/);
      expect(failure.results[0]).toEqual(vectorOf(one));
      expect(failure.results[3]).toEqual(vectorOf(two));
      expect(failure.results[1]).toMatchObject({ code: 'BAD_USER_INPUT', retryable: false });
      expect(failure.results[2]).toMatchObject({ code: 'PROVIDER_ERROR', retryable: false });
      expect(await client.embedManySettled(asked, { shape })).toHaveLength(4);
    },
  );

  test('passes options on', async () => {
    const client = createClient(url(), { headers: { authorization: 'Bearer right' } });
    const [vector] = await client.embedMany(many(1), {
      model: 'text-embedding-3-large',
      dimensions: 5,
      useCache: false,
      truncate: false,
    });
    expect(vector).toHaveLength(5);
    expect(provider.calls[0]!.model).toBe('text-embedding-3-large');
    expect(await client.embedMany([])).toEqual([]);
  });

  test('raises what concerns all of them as one coded error', async () => {
    await expect(createClient(url()).embedMany(['a'])).rejects.toMatchObject({
      name: 'EmbedError',
      code: 'UNAUTHENTICATED',
    });
    const client = createClient(url(), { apiKey: 'right' });
    await expect(client.embedMany(['a'], { model: 'nope' })).rejects.toMatchObject({
      code: 'MODEL_NOT_FOUND',
    });
    const nowhere = createClient('http://127.0.0.1:1/graphql').embedMany(['a']);
    await expect(nowhere).rejects.toMatchObject({ code: 'NETWORK', retryable: true });
    await expect(nowhere).rejects.toBeInstanceOf(EmbedError);
    const aborted = client.embedMany(many(1), { signal: AbortSignal.abort() });
    await expect(aborted).rejects.toMatchObject({ name: 'AbortError' });
  });
});
