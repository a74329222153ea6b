import { OpenAIEmbeddings } from '@langchain/openai';
import OpenAI from 'openai';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startEmbedQL, type TestServer } from '../support/embedql.ts';
import { type ProviderServer, sendFailure, startProvider, vectorOf } from '../support/provider-server.ts';
import { asFloat32 } from '../support/vectors.ts';

let provider: ProviderServer;
let server: TestServer;
let client: OpenAI;

beforeAll(async () => {
  provider = await startProvider();
  server = await startEmbedQL({ ...provider.env, EMBEDQL_PROVIDER_RETRIES: '0' });
  client = new OpenAI({ apiKey: 'anything', baseURL: `${server.url}/v1`, maxRetries: 0 });
});
beforeEach(() => provider.forget());
afterAll(async () => {
  await server.stop();
  await provider.close();
});

const model = 'text-embedding-3-small';
let texts = 0;
const fresh = () => `openai text ${++texts}`;

describe('the official SDK, unchanged', () => {
  test('gets the same vectors as numbers, as base64 and by default', async () => {
    const input = [fresh(), fresh(), fresh()];
    const byDefault = await client.embeddings.create({ model, input });
    const numbers = await client.embeddings.create({ model, input, encoding_format: 'float' });
    const base64 = await client.embeddings.create({ model, input, encoding_format: 'base64' });
    for (const [i, text] of input.entries()) {
      const expected = Array.from(vectorOf(text));
      expect(Array.from(byDefault.data[i]!.embedding)).toEqual(expected);
      expect(asFloat32(numbers.data[i]!.embedding)).toEqual(expected);
      expect(numbers.data[i]).toMatchObject({ object: 'embedding', index: i });
      expect(Buffer.from(base64.data[i]!.embedding as unknown as string, 'base64')).toHaveLength(4 * 1_536);
    }
    expect(provider.calls).toHaveLength(1);
    expect(byDefault).toMatchObject({ object: 'list', model });
    expect(byDefault.usage).toEqual({
      prompt_tokens: provider.billedTokens(),
      total_tokens: provider.billedTokens(),
    });
    expect(numbers.usage).toEqual(byDefault.usage);
  });

  test('gets shorter vectors, a single text, and the list of models', async () => {
    const { data } = await client.embeddings.create({ model, input: fresh(), dimensions: 12 });
    expect(data).toHaveLength(1);
    expect(data[0]!.embedding).toHaveLength(12);
    expect(Math.hypot(...data[0]!.embedding)).toBeCloseTo(1, 5);
    const { data: models } = await client.models.list();
    expect(models.map(({ id }) => id)).toEqual([
      'text-embedding-3-small',
      'text-embedding-3-large',
      'text-embedding-ada-002',
      'all-MiniLM-L6-v2',
      'all-mpnet-base-v2',
      'multilingual-e5-small',
    ]);
    expect(await client.models.retrieve('all-MiniLM-L6-v2')).toMatchObject({
      object: 'model',
      owned_by: 'local',
    });
    await expect(client.models.retrieve('nope')).rejects.toMatchObject({
      status: 404,
      code: 'model_not_found',
    });
  });

  test('shares calls, flights and cache with GraphQL and with others at the same door', async () => {
    const shared = fresh();
    const [graphql, ...answers] = await Promise.all([
      server.graphql(
        `mutation { a: embed(text: "${shared}") { cached } b: embed(text: "${fresh()}") { cached } }`,
      ),
      ...Array.from({ length: 20 }, (_, i) =>
        client.embeddings.create({ model, input: i % 2 ? shared : fresh() }),
      ),
    ]);
    expect(graphql.errors).toBeUndefined();
    expect(answers).toHaveLength(20);
    const sent = provider.calls.flatMap(({ input }) => input);
    expect(sent.filter((text) => text === shared)).toHaveLength(1);
    expect(provider.calls.length).toBeLessThanOrEqual(4);
    expect((await server.graphql(`mutation { embed(text: "${shared}") { cached } }`)).data.embed.cached).toBe(
      true,
    );
  });

  test.each([
    ['an empty text', { input: ['a', ''] }, 400, 'bad_user_input', 'input[1]'],
    ['no texts', { input: [] }, 400, 'bad_user_input', 'input'],
    ['an unknown model', { model: 'nope', input: 'a' }, 404, 'model_not_found', null],
    [
      'dimensions that cannot be',
      { model: 'text-embedding-ada-002', input: 'a', dimensions: 3 },
      400,
      'bad_user_input',
      null,
    ],
    ['a text that is too long', { input: 'word '.repeat(9_000) }, 400, 'text_too_long', 'input'],
    ['a refused text', { input: ['fine', '☠'] }, 400, 'provider_error', 'input[1]'],
    ['another encoding', { input: 'a', encoding_format: 'hex' }, 400, 'bad_user_input', 'encoding_format'],
  ])("%s is an error in OpenAI's shape", async (_name, body, status, code, param) => {
    const request = client.embeddings.create({ model, ...body } as OpenAI.EmbeddingCreateParams);
    await expect(request).rejects.toMatchObject({ status, code, param, type: 'invalid_request_error' });
  });

  test('a provider in trouble is told with a status that clients understand', async () => {
    provider.misbehave = (_call, response) => {
      sendFailure(response, 429, { headers: { 'retry-after-ms': '200000' } });
      return true;
    };
    const error = await client.embeddings
      .create({ model, input: fresh() })
      .catch((caught: unknown) => caught);
    expect(error).toMatchObject({ status: 429, code: 'rate_limited', type: 'rate_limit_error' });
    expect(Number((error as { headers: Headers }).headers.get('retry-after'))).toBeGreaterThan(190);
    provider.misbehave = (_call, response) => {
      sendFailure(response, 500);
      return true;
    };
    await expect(
      client.embeddings.create({ model: 'text-embedding-3-large', input: fresh() }),
    ).rejects.toMatchObject({ status: 502, type: 'server_error' });
  });
});

test("LangChain's OpenAIEmbeddings works against it", async () => {
  const fast = await startEmbedQL(provider.env);
  const embeddings = new OpenAIEmbeddings({
    model,
    apiKey: 'anything',
    configuration: { baseURL: `${fast.url}/v1` },
  });
  const documents = [fresh(), fresh()];
  const vectors = await embeddings.embedDocuments(documents);
  for (const [i, text] of documents.entries())
    expect(asFloat32(vectors[i]!)).toEqual(Array.from(vectorOf(text)));
  expect(await embeddings.embedQuery(documents[0]!)).toEqual(vectors[0]);
  expect(provider.calls).toHaveLength(1);
  await fast.stop();
});

test('one EmbedQL is a provider for another, with the same vectors and costs', async () => {
  const behind = await startEmbedQL({ ...provider.env });
  const front = await startEmbedQL({ OPENAI_API_KEY: 'anything', OPENAI_BASE_URL: `${behind.url}/v1` });
  const text = fresh();
  const ask = `mutation { embed(text: "${text}") { embedding tokens cost } }`;
  const { data } = await front.graphql(ask);
  expect(asFloat32(data.embed.embedding)).toEqual(Array.from(vectorOf(text)));
  expect(data.embed.tokens).toBe(provider.billedTokens());
  await Promise.all([front.stop(), behind.stop()]);
});

describe('the door itself', () => {
  test("wants a key where keys are set, and says so in OpenAI's shape", async () => {
    const guarded = await startEmbedQL({ ...provider.env, EMBEDQL_API_KEYS: 'right' });
    const wrong = new OpenAI({ apiKey: 'wrong', baseURL: `${guarded.url}/v1`, maxRetries: 0 });
    await expect(wrong.embeddings.create({ model, input: 'a' })).rejects.toMatchObject({
      status: 401,
      type: 'authentication_error',
    });
    await expect(wrong.models.list()).rejects.toMatchObject({ status: 401 });
    const right = new OpenAI({ apiKey: 'right', baseURL: `${guarded.url}/v1` });
    expect((await right.embeddings.create({ model, input: fresh() })).data).toHaveLength(1);
    await guarded.stop();
  });

  test('keeps the limits of texts and bytes, and other methods out', async () => {
    const small = await startEmbedQL({
      ...provider.env,
      EMBEDQL_MAX_TEXTS: '2',
      EMBEDQL_MAX_BODY_BYTES: '1000',
    });
    const post = (body: unknown) =>
      fetch(`${small.url}/v1/embeddings`, { method: 'POST', body: JSON.stringify(body) });
    expect(await (await post({ model, input: ['a', 'b', 'c'] })).json()).toMatchObject({
      error: { code: 'cost_limit_exceeded' },
    });
    expect((await post({ model, input: 'x'.repeat(2_000) })).status).toBe(413);
    expect((await fetch(`${small.url}/v1/embeddings`, { method: 'POST', body: '{"input"' })).status).toBe(
      400,
    );
    const get = await fetch(`${small.url}/v1/embeddings`);
    expect([get.status, get.headers.get('allow')]).toEqual([405, 'POST']);
    await small.stop();
  });
});
