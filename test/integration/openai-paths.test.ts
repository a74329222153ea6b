import { Agent, request as httpRequest } from 'node:http';
import OpenAI from 'openai';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startEmbedQL, type TestServer } from '../support/embedql.ts';
import { type ProviderServer, startProvider, testKey } from '../support/provider-server.ts';

let provider: ProviderServer;
let server: TestServer;

beforeAll(async () => {
  provider = await startProvider();
  server = await startEmbedQL({ ...provider.env, EMBEDQL_MAX_BODY_BYTES: '1000' });
});
beforeEach(() => provider.forget());
afterAll(async () => {
  await server.stop();
  await provider.close();
});

const model = 'text-embedding-3-small';
let texts = 0;
const fresh = () => `path text ${++texts}`;
const body = (input: unknown = fresh()) => JSON.stringify({ model, input });
const shape = {
  message: expect.any(String),
  type: expect.any(String),
  param: null,
  code: expect.any(String),
};

describe('paths', () => {
  test.each([
    '/v1/embeddings',
    '/v1/embeddings/',
    '/embeddings',
    '/embeddings/',
    '/v1/embeddings?api-version=1',
  ])('POST %s embeds', async (path) => {
    const response = await fetch(server.url + path, { method: 'POST', body: body() });
    expect([response.status, await response.json()]).toEqual([200, expect.objectContaining({ model })]);
  });

  test.each(['/v1/models', '/v1/models/', '/models', '/models/'])('GET %s lists the models', async (path) => {
    const response = await fetch(server.url + path);
    const { object, data } = (await response.json()) as { object: string; data: Array<{ id: string }> };
    expect([object, data.map(({ id }) => id)]).toEqual([
      'list',
      expect.arrayContaining([model, 'all-MiniLM-L6-v2']),
    ]);
    expect(response.headers.get('openai-processing-ms')).toMatch(/^\d+$/);
  });

  test.each([
    '/v1/models/sentence-transformers/all-MiniLM-L6-v2',
    '/v1/models/sentence-transformers%2Fall-MiniLM-L6-v2',
    '/models/all-MiniLM-L6-v2/',
  ])('GET %s finds the model', async (path) => {
    const response = await fetch(server.url + path);
    expect([response.status, await response.json()]).toEqual([
      200,
      { id: 'all-MiniLM-L6-v2', object: 'model', created: 0, owned_by: 'local' },
    ]);
  });

  test.each([
    ['POST', '/v1/chat/completions', 404],
    ['POST', '/chat/completions', 404],
    ['DELETE', '/v1', 404],
    ['GET', '/v1/', 404],
    ['PATCH', '/v1/embeddings/nothing', 404],
    ['POST', '/completions', 404],
    ['GET', '/v1/models/nope', 404],
    ['GET', '/v1/models/%E0%A4%A', 404],
    ['GET', '/v1/embeddings', 405],
    ['PUT', '/embeddings/', 405],
    ['POST', '/v1/models', 405],
    ['DELETE', '/models/all-MiniLM-L6-v2', 405],
  ])("%s %s is refused in OpenAI's shape", async (method, path, status) => {
    const response = await fetch(server.url + path, { method });
    expect([response.status, await response.json()]).toEqual([status, { error: shape }]);
    expect(response.headers.has('allow')).toBe(status === 405);
    expect(response.headers.get('x-should-retry')).toBe('false');
    expect(response.headers.get('x-request-id')).toBeTruthy();
  });

  test.each([
    ['a body that is no JSON', '{"input"', {}, 400],
    ['a body that is too large', body('x'.repeat(2_000)), {}, 413],
    ['a body in an unknown encoding', body(), { 'content-encoding': 'zstd5' }, 415],
    ['a page of another origin', body(), { origin: 'https://evil.example' }, 403],
  ])('%s, too', async (_name, sent, headers, status) => {
    const response = await fetch(`${server.url}/v1/embeddings`, { method: 'POST', body: sent, headers });
    expect([response.status, await response.json()]).toEqual([status, { error: shape }]);
  });

  test("elsewhere errors are GraphQL's, and a chain of handlers goes on", async () => {
    expect(await (await fetch(`${server.url}/v2/embeddings`)).json()).toMatchObject({ errors: [{}] });
    expect(await (await fetch(`${server.url}/embeddingsnot`)).json()).toMatchObject({ errors: [{}] });
  });
});

describe('who may ask', () => {
  test('a wrong key and a missing one are told apart', async () => {
    const guarded = await startEmbedQL({ ...provider.env, EMBEDQL_API_KEYS: 'right' });
    const ask = async (headers: Record<string, string>) => {
      const response = await fetch(`${guarded.url}/v1/embeddings`, { method: 'POST', body: body(), headers });
      return [response.status, ((await response.json()) as { error: object }).error];
    };
    const missing = {
      type: 'authentication_error',
      code: 'unauthenticated',
      message: expect.stringContaining('required'),
    };
    expect(await ask({})).toEqual([401, expect.objectContaining(missing)]);
    expect(await ask({ authorization: 'Basic abc' })).toEqual([401, expect.objectContaining(missing)]);
    expect(await ask({ authorization: 'Bearer sk-wrong' })).toEqual([
      401,
      {
        type: 'authentication_error',
        code: 'invalid_api_key',
        param: null,
        message: expect.stringContaining("none of this server's"),
      },
    ]);
    const { errors } = await guarded.graphql(
      '{ __typename }',
      {},
      { headers: { authorization: 'Bearer sk-wrong' } },
    );
    expect(errors![0]!.message).toContain("none of this server's");
    await guarded.stop();
  });

  test("a client is told that it is the server's key that is missing, and what it may ask for", async () => {
    const keyless = await startEmbedQL({ OPENAI_BASE_URL: provider.url });
    const client = new OpenAI({ apiKey: testKey, baseURL: `${keyless.url}/v1`, maxRetries: 0 });
    const others =
      /This server has no key for text-embedding-ada-002; it can answer: all-MiniLM-L6-v2, all-mpnet/;
    await expect(
      client.embeddings.create({ model: 'text-embedding-ada-002', input: 'a' }),
    ).rejects.toMatchObject({
      status: 400,
      code: 'provider_not_configured',
      message: expect.stringMatching(others),
    });
    const retrieved = client.models.retrieve('text-embedding-ada-002');
    await expect(retrieved).rejects.toMatchObject({
      status: 404,
      code: 'model_not_found',
      message: expect.stringMatching(others),
    });
    const { data } = await client.models.list();
    expect(data.map(({ id }) => id)).toEqual([
      'all-MiniLM-L6-v2',
      'all-mpnet-base-v2',
      'multilingual-e5-small',
    ]);
    for (const { id } of data) expect((await client.models.retrieve(id)).id).toBe(id);
    const unknown = client.embeddings.create({ model: 'gpt-4o', input: 'a' });
    await expect(unknown).rejects.toMatchObject({
      status: 404,
      message: expect.not.stringContaining('text-embedding-3-small'),
    });
    await keyless.stop();
  });
});

describe('headers', () => {
  test('that clients read: the request, the time, and what is left of a limited key', async () => {
    const limited = await startEmbedQL({
      ...provider.env,
      EMBEDQL_API_KEYS: 'web:web-key,free:free-key',
      EMBEDQL_KEY_LIMITS: 'web:5/min',
    });
    const ask = (input: string[], key = 'web-key') =>
      fetch(`${limited.url}/v1/embeddings`, {
        method: 'POST',
        body: body(input),
        headers: { authorization: `Bearer ${key}`, 'x-request-id': 'mine-1' },
      });
    const first = await ask([fresh(), fresh()]);
    expect(Object.fromEntries(first.headers)).toMatchObject({
      'x-request-id': 'mine-1',
      'openai-processing-ms': expect.stringMatching(/^\d+$/),
      'x-ratelimit-limit-requests': '5',
      'x-ratelimit-remaining-requests': '3',
      'x-ratelimit-reset-requests': expect.stringMatching(/^\d+s$/),
    });
    const refused = await ask([fresh(), fresh(), fresh(), fresh()]);
    expect(refused.status).toBe(429);
    // What was refused is still there; and to come again later helps.
    expect(refused.headers.get('x-ratelimit-remaining-requests')).toBe('3');
    expect(refused.headers.has('x-should-retry')).toBe(false);
    expect(Number(refused.headers.get('retry-after-ms'))).toBeGreaterThan(0);
    expect((await ask([fresh(), fresh(), fresh()])).headers.get('x-ratelimit-remaining-requests')).toBe('0');
    expect((await ask([fresh()], 'free-key')).headers.has('x-ratelimit-limit-requests')).toBe(false);
    await limited.stop();
  });

  test("a day's money that is spent is not asked for again, by clients that try again", async () => {
    const poor = await startEmbedQL({ ...provider.env, EMBEDQL_KEY_LIMITS: '*:0.00000001usd/day' });
    let requests = 0;
    const client = new OpenAI({
      apiKey: 'anything',
      baseURL: `${poor.url}/v1`,
      maxRetries: 3,
      fetch: (url, init) => {
        requests += 1;
        return fetch(url, init);
      },
    });
    await expect(client.embeddings.create({ model, input: 'more words than that' })).rejects.toMatchObject({
      status: 429,
      code: 'insufficient_quota',
      type: 'insufficient_quota',
    });
    expect(requests).toBe(1);
    await poor.stop();
  });

  test('a page of an allowed origin can read what is not here, and is answered wherever it asks', async () => {
    const open = await startEmbedQL({ ...provider.env, EMBEDQL_CORS_ORIGINS: 'https://app.example' });
    const origin = 'https://app.example';
    const asked = 'authorization,content-type,x-stainless-os,x-stainless-retry-count';
    for (const path of ['/embeddings', '/v1/chat/completions']) {
      const preflight = await fetch(open.url + path, {
        method: 'OPTIONS',
        headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': asked },
      });
      expect([preflight.status, preflight.headers.get('access-control-allow-headers')]).toEqual([204, asked]);
      const answer = await fetch(open.url + path, { method: 'POST', headers: { origin }, body: body() });
      expect(answer.headers.get('access-control-allow-origin')).toBe(origin);
      const exposed = answer.headers.get('access-control-expose-headers')!.split(', ');
      expect(exposed).toEqual(
        expect.arrayContaining(['retry-after-ms', 'x-embedql-truncated', 'x-should-retry']),
      );
    }
    const odd = await fetch(`${open.url}/embeddings`, {
      method: 'OPTIONS',
      headers: {
        origin,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'a b, (c)',
      },
    });
    expect(odd.headers.get('access-control-allow-headers')).not.toContain('a b');
    await open.stop();
  });
});

describe('an idle connection', () => {
  /** One request over a connection that is kept. */
  const ask = (url: string, agent: Agent) =>
    new Promise<{ keepAlive: string | undefined; reused: boolean }>((resolve, reject) => {
      const request = httpRequest(`${url}/health`, { agent }, (response) => {
        response.resume();
        const keepAlive = response.headers['keep-alive']?.toString();
        response.once('end', () => resolve({ keepAlive, reused: request.reusedSocket }));
      });
      request.once('error', reject).end();
    });

  test('is kept for longer than a load balancer keeps it, and for as long as is set', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    expect((await ask(server.url, agent)).keepAlive).toBe('timeout=65');
    const other = await startEmbedQL({ ...provider.env, EMBEDQL_KEEP_ALIVE_MS: '7000' });
    expect((await ask(other.url, agent)).keepAlive).toBe('timeout=7');
    agent.destroy();
    await other.stop();
  });

  test('may be idle for longer than a request may take to arrive', async () => {
    const strict = await startEmbedQL({ ...provider.env, EMBEDQL_TRANSFER_TIMEOUT_MS: '300' });
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    await ask(strict.url, agent);
    // Connections are looked at once a second.
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    expect((await ask(strict.url, agent)).reused).toBe(true);
    agent.destroy();
    await strict.stop();
  });
});
