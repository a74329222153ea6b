import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startEmbedQL, type TestServer } from '../support/embedql.ts';
import { logLines, serveEmbedQL } from '../support/processes.ts';
import { type ProviderServer, startProvider } from '../support/provider-server.ts';
import { hasRedisServer, startRedis } from '../support/redis-server.ts';

let provider: ProviderServer;

beforeAll(async () => {
  provider = await startProvider();
});
beforeEach(() => {
  provider.forget();
  provider.delayMs = 0;
});
afterAll(() => provider.close());

const keys = { EMBEDQL_API_KEYS: 'web:web-key,batch:batch-key,plain-key', EMBEDQL_ADMIN_KEYS: 'ops:ops-key' };
const bearer = (key: string) => ({ headers: { authorization: `Bearer ${key}` } });
const embed = (server: Pick<TestServer, 'graphql'>, key: string, texts: readonly string[]) =>
  server.graphql(
    'mutation($texts: [String!]!) { embedBatch(texts: $texts) { totalEmbeddings failures { code } } }',
    { texts },
    bearer(key),
  );
const numbered = (name: string, count: number) => Array.from({ length: count }, (_, i) => `${name} ${i}`);

test('every door wants a key and says how to show it; pages and health do not', async () => {
  const server = await startEmbedQL({ ...provider.env, ...keys });
  for (const [path, status] of [
    ['/graphql', 401],
    ['/v1/embeddings', 401],
    ['/v1/models', 401],
    ['/metrics', 401],
    ['/metrics/', 401],
    ['/health', 200],
    ['/ready', 200],
    ['/', 200],
  ] as const) {
    const response = await fetch(server.url + path);
    expect([path, response.status]).toEqual([path, status]);
    expect(response.headers.get('www-authenticate')).toBe(status === 401 ? 'Bearer realm="embedql"' : null);
  }
  // A browser's page is let in, and a query is not, however it is dressed up.
  const html = { headers: { accept: 'text/html' } };
  const page = await fetch(`${server.url}/graphql?query={__typename}`, html);
  expect(page.headers.get('content-type')).toContain('text/html');
  for (const key of ['wrong', 'web', 'web:web-key', ''])
    expect((await server.post({ query: '{ __typename }' }, bearer(key))).status).toBe(401);
  const reset = 'mutation { resetMetrics { status } }';
  expect((await server.graphql(reset, {}, bearer('web-key'))).errors![0]!.extensions['code']).toBe(
    'FORBIDDEN',
  );
  expect((await server.graphql(reset, {}, bearer('ops-key'))).data.resetMetrics.status).toBe('success');
  await server.stop();
});

test('names of keys are in metrics and logs, keys themselves nowhere', async () => {
  const running = await serveEmbedQL({ ...provider.env, ...keys });
  const post = (key: string, path: string, body: object) =>
    fetch(running.url + path, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
    });
  await post('web-key', '/graphql', {
    query: 'mutation { a: embed(text: "one") { model } b: embed(text: "two") { model } }',
  });
  await post('plain-key', '/v1/embeddings', { input: ['one', 'three'] });
  const metrics = await (await fetch(`${running.url}/metrics`, bearer('ops-key'))).text();
  expect(metrics).toContain('embedql_key_texts_total{key="web"} 2');
  expect(metrics).toContain('embedql_key_texts_total{key="key-3"} 2');
  expect(metrics).toContain('embedql_key_tokens_total{key="web"} 2');
  expect(metrics).toMatch(/embedql_key_cost_usd_total\{key="key-3"\} 2e-8/);
  running.process.kill('SIGTERM');
  const { stdout } = await running.finished;
  const lines = logLines(stdout);
  expect(lines.filter(({ msg }) => msg === 'operation')).toEqual([
    expect.objectContaining({ key: 'web', texts: 2 }),
    expect.objectContaining({ key: 'key-3', texts: 2, hits: 1, operation: '/v1/embeddings' }),
  ]);
  expect(stdout + metrics).not.toMatch(/web-key|plain-key|ops-key/);
});

describe('EMBEDQL_KEY_LIMITS', () => {
  test('a minute of texts: what is refused is not counted, and says when to come back', async () => {
    const server = await startEmbedQL({ ...provider.env, ...keys, EMBEDQL_KEY_LIMITS: 'web:5/min' });
    expect((await embed(server, 'web-key', numbered('w', 4))).errors).toBeUndefined();
    const refused = await embed(server, 'web-key', numbered('w', 2));
    expect(refused.data).toBeUndefined();
    expect(refused.errors![0]!.extensions).toMatchObject({ code: 'RATE_LIMITED', retryable: true });
    const { retryAfterMs } = refused.errors![0]!.extensions as { retryAfterMs: number };
    expect(retryAfterMs).toBeGreaterThan(0);
    expect(retryAfterMs).toBeLessThanOrEqual(60_000);
    expect((await embed(server, 'web-key', numbered('w', 1))).errors).toBeUndefined();
    expect((await embed(server, 'web-key', numbered('w', 6))).errors![0]!.extensions['code']).toBe(
      'COST_LIMIT_EXCEEDED',
    );
    // Others are not limited, and what asks for no texts is not either.
    expect((await embed(server, 'batch-key', numbered('b', 50))).errors).toBeUndefined();
    expect((await server.graphql('{ health { status } }', {}, bearer('web-key'))).errors).toBeUndefined();
    const openai = await fetch(`${server.url}/v1/embeddings`, {
      method: 'POST',
      body: JSON.stringify({ input: 'one more' }),
      ...bearer('web-key'),
    });
    expect(openai.status).toBe(429);
    expect(Number(openai.headers.get('retry-after'))).toBeGreaterThan(0);
    const metrics = await (await fetch(`${server.url}/metrics`, bearer('ops-key'))).text();
    expect(metrics).toContain('embedql_key_refusals_total{key="web",code="RATE_LIMITED"} 2');
    await server.stop();
  });

  test('a day of money: once it is spent, what is cached still comes', async () => {
    // text-embedding-3-small: one token costs 2e-8 USD, and each of these texts is one. There is money for three.
    const server = await startEmbedQL({
      ...provider.env,
      ...keys,
      EMBEDQL_KEY_LIMITS: '*:0.00000007usd/day',
    });
    const texts = ['one', 'two', 'three'];
    expect((await embed(server, 'web-key', texts)).errors).toBeUndefined();
    const { data } = await embed(server, 'web-key', [...texts, 'more']);
    expect(data.embedBatch).toEqual({ totalEmbeddings: 3, failures: [{ code: 'RATE_LIMITED' }] });
    expect((await embed(server, 'batch-key', ['more'])).data.embedBatch.totalEmbeddings).toBe(1);
    const free = await server.graphql(
      'mutation { embed(text: "more", model: "all-MiniLM-L6-v2") { model } }',
      {},
      bearer('web-key'),
    );
    expect(free.errors).toBeUndefined();
    expect(provider.calls.map(({ input }) => input)).toEqual([texts, ['more']]);
    await server.stop();
  });

  test('requests at the same time do not overspend it, whoever carries the cost', async () => {
    provider.delayMs = 50;
    const server = await startEmbedQL({
      ...provider.env,
      ...keys,
      EMBEDQL_KEY_LIMITS: '*:0.00000005usd/day',
    });
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, i) => embed(server, 'web-key', [`p${i}`])),
    );
    const served = answers.filter(({ data }) => data.embedBatch.totalEmbeddings === 1);
    expect(served.length).toBeGreaterThan(0);
    expect(provider.calls.flatMap(({ input }) => input)).toHaveLength(served.length);
    expect(provider.billedTokens()).toBeGreaterThan(0);
    expect(provider.billedTokens() * 2e-8).toBeLessThanOrEqual(5e-8);
    await server.stop();
  });

  test.skipIf(!hasRedisServer)('nor do requests to several replicas that share the budget', async () => {
    provider.delayMs = 50;
    const redis = await startRedis();
    // A text of two tokens costs 4e-8 USD.
    const env = {
      ...provider.env,
      ...keys,
      REDIS_URL: redis.url,
      EMBEDQL_KEY_LIMITS: '*:0.00000005usd/day',
    };
    const replicas = [await startEmbedQL(env), await startEmbedQL(env)] as const;
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, i) => embed(replicas[i % 2]!, 'web-key', [`q${i}`])),
    );
    const failures = answers.flatMap(({ data }) => data.embedBatch.failures);
    expect(failures).toHaveLength(99);
    expect(new Set(failures.map(({ code }) => code))).toEqual(new Set(['RATE_LIMITED']));
    expect(provider.calls.flatMap(({ input }) => input)).toHaveLength(1);
    // Another key has its own.
    expect((await embed(replicas[1], 'batch-key', ['q0'])).data.embedBatch.totalEmbeddings).toBe(1);
    await Promise.all(replicas.map((replica) => replica.stop()));
    await redis.stop();
  });

  test('who breaks off pays all the same', async () => {
    provider.delayMs = 200;
    const server = await startEmbedQL({
      ...provider.env,
      ...keys,
      EMBEDQL_KEY_LIMITS: 'web:0.0000001usd/day',
    });
    const gone = new AbortController();
    const body = { query: 'mutation { embed(text: "paid for nothing") { model } }' };
    const broken = server.post(body, { ...bearer('web-key'), signal: gone.signal }).catch(() => 'broken off');
    await expect.poll(() => provider.calls.length).toBe(1);
    gone.abort();
    expect(await broken).toBe('broken off');
    let tries = 0;
    const spent = async () =>
      (await embed(server, 'web-key', [`another ${++tries}`])).data.embedBatch.failures;
    await expect.poll(spent, { timeout: 5_000 }).toEqual([{ code: 'RATE_LIMITED' }]);
    await server.stop();
  });

  test.skipIf(!hasRedisServer)(
    'replicas share them in Redis; while it is away each counts for itself',
    async () => {
      const redis = await startRedis();
      const env = {
        ...provider.env,
        ...keys,
        REDIS_URL: redis.url,
        EMBEDQL_KEY_LIMITS: 'web:10/min:1usd/day',
      };
      const replicas = [await startEmbedQL(env), await startEmbedQL(env)] as const;
      const code = async (server: TestServer, count: number) =>
        (await embed(server, 'web-key', numbered('r', count))).errors?.[0]?.extensions['code'];
      expect(await code(replicas[0], 6)).toBeUndefined();
      expect(await code(replicas[1], 5)).toBe('RATE_LIMITED');
      expect(await code(replicas[1], 4)).toBeUndefined();
      expect(await code(replicas[0], 1)).toBe('RATE_LIMITED');
      redis.signal('SIGSTOP');
      // Hung: nobody waits for it long, and the process counts by itself.
      expect(await code(replicas[0], 10)).toBeUndefined();
      expect(await code(replicas[0], 1)).toBe('RATE_LIMITED');
      redis.signal('SIGCONT');
      await Promise.all(replicas.map((replica) => replica.stop()));
      await redis.stop();
    },
  );

  test.skipIf(!hasRedisServer).each(['SIGSTOP', 'SIGKILL'] as const)(
    'what is spent while Redis gets %s is spent here at once, and for all when it is back',
    async (signal) => {
      provider.delayMs = 500;
      const redis = await startRedis();
      const env = {
        ...provider.env,
        ...keys,
        REDIS_URL: redis.url,
        EMBEDQL_KEY_LIMITS: 'web:0.0000002usd/day',
      };
      const replicas = [await startEmbedQL(env), await startEmbedQL(env)] as const;
      const code = async (server: TestServer, text: string) =>
        (await embed(server, 'web-key', [text])).data.embedBatch.failures[0]?.code;
      const backend = async (server: TestServer) =>
        (await server.graphql('{ health { cacheBackend } }', {}, bearer('web-key'))).data.health.cacheBackend;
      for (const replica of replicas) await expect.poll(() => backend(replica)).toBe('redis');
      // Eight of the ten tokens that the day has.
      const spending = code(replicas[0], 'a b c d e f g h');
      await expect.poll(() => provider.calls.length).toBe(1);
      redis.signal(signal);
      expect(await spending).toBeUndefined();
      expect(await code(replicas[0], 'i j k l')).toBe('RATE_LIMITED');
      if (signal === 'SIGSTOP') redis.signal('SIGCONT');
      else await redis.restart();
      const books = `{embedql}:money:web:${new Date().toISOString().slice(0, 10)}`;
      await expect.poll(() => redis.client.hget(books, 'spent'), { timeout: 10_000 }).toBe('160');
      // Nothing stays set aside for what was asked while nobody answered.
      await expect.poll(async () => Number(await redis.client.hget(books, 'held'))).toBe(0);
      for (const replica of replicas) expect(await code(replica, 'm n o p')).toBe('RATE_LIMITED');
      expect(provider.calls).toHaveLength(1);
      await Promise.all(replicas.map((replica) => replica.stop()));
      await redis.stop();
    },
  );

  test('a text that costs too much keeps out no other of its batch', async () => {
    const server = await startEmbedQL({
      ...provider.env,
      ...keys,
      EMBEDQL_KEY_LIMITS: 'web:0.0000002usd/day',
    });
    const { data } = await embed(server, 'web-key', ['a', 'far too long '.repeat(20), 'b']);
    expect(data.embedBatch.failures).toEqual([{ code: 'RATE_LIMITED' }]);
    expect(provider.calls.map(({ input }) => input)).toEqual([['a', 'b']]);
    await server.stop();
  });
});
