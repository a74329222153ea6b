import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { countTokens } from 'gpt-tokenizer/encoding/cl100k_base';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { headerBytes } from '../../src/cache/codec.ts';
import { startEmbedQL, type TestServer } from '../support/embedql.ts';
import { type ProviderServer, sendJson, startProvider, vectorOf } from '../support/provider-server.ts';
import {
  cachedKeys,
  hasRedisServer,
  type RedisServer,
  startRedis,
  startSlowProxy,
} from '../support/redis-server.ts';
import { decode } from '../support/vectors.ts';

const batch =
  'mutation($texts: [String!]!) { embedBatch(texts: $texts) { embeddingsBase64 cachedCount totalCost failures { index code } } }';

let provider: ProviderServer;
let redis: RedisServer;
let servers: TestServer[] = [];
let texts = 0;
const many = (n: number) => Array.from({ length: n }, () => `cached text ${++texts}`);

beforeAll(async () => {
  provider = await startProvider();
});
afterAll(() => provider.close());

/** A server whose memory tier is of no help, so that what is cached comes from Redis. */
async function start(env: Record<string, string> = {}): Promise<TestServer> {
  const server = await startEmbedQL({ ...provider.env, REDIS_URL: redis.url, ...env });
  servers.push(server);
  return server;
}

async function ask(server: TestServer, asked: string[]) {
  const { data, errors } = await server.graphql(batch, { texts: asked });
  expect(errors).toBeUndefined();
  expect(data.embedBatch.failures).toEqual([]);
  const vectors = data.embedBatch.embeddingsBase64.map(decode);
  for (const [i, text] of asked.entries()) expect(vectors[i], text).toEqual(vectorOf(text));
  return data.embedBatch as { cachedCount: number; totalCost: number };
}

const health = async (server: TestServer) =>
  (await server.graphql('{ health { status cacheBackend cachingEnabled } }')).data.health;

const cacheErrors = async (server: TestServer, operation: string) => {
  const page = await (await fetch(`${server.url}/metrics`)).text();
  return Number(
    new RegExp(`embedql_cache_errors_total{operation="${operation}"} (\\d+)`).exec(page)?.[1] ?? 0,
  );
};

async function until(what: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + 5_000;
  while (!(await what())) {
    if (Date.now() > end) throw new Error('not within 5 s');
    await sleep(25);
  }
}

const inRedis = async (n: number) => until(async () => (await cachedKeys(redis.client)) === n);

describe.skipIf(!hasRedisServer)('one Redis', () => {
  beforeEach(async () => {
    redis = await startRedis();
    provider.forget();
  });
  afterEach(async () => {
    await Promise.all(servers.map((server) => server.stop()));
    servers = [];
    await redis.stop();
  });

  test('keys, values and lives are as promised, and no text is in them', async () => {
    const server = await start({ EMBEDQL_CACHE_TTL: '1000' });
    await server.graphql(
      'mutation { embed(text: "naïve 🐈") { cost } embedQuery(query: "naïve 🐈") { cost } }',
    );
    await inRedis(1);
    const hash = createHash('sha256').update('naïve 🐈', 'utf8').digest('hex');
    const keys = await redis.client.keys('embed:*');
    const [vector] = await Promise.all(keys.map((key) => redis.client.getBuffer(key)));
    expect(vector?.includes('naïve')).toBe(false);
    const others = (await redis.client.keys('*')).filter((key) => !keys.includes(key));
    expect(others.filter((key) => !key.startsWith('{embedql}:ledger:'))).toEqual([]);
    // This model embeds queries like documents, so a text is the same as both; and no lease is left.
    expect(keys).toEqual([`embed:v2:text-embedding-3-small:doc:${hash}`]);
    for (const key of keys) {
      expect(await redis.client.strlen(key)).toBe(4 * 1_536 + headerBytes);
      expect(await redis.client.ttl(key)).toBeGreaterThan(990);
    }
    expect(headerBytes).toBeLessThanOrEqual(32);
  });

  test('a batch is one round trip for reading and one for writing', async () => {
    const server = await start();
    await redis.client.config('RESETSTAT');
    const asked = many(100);
    const commands = async () => {
      const stats = await redis.client.info('commandstats');
      return Object.fromEntries(
        [...stats.matchAll(/cmdstat_(\w+):calls=(\d+)/g)].map(([, name, calls]) => [name, Number(calls)]),
      );
    };
    await ask(server, asked);
    await inRedis(100);
    // One script looks up and leases; the values and the end of the leases are one packet.
    expect(await commands()).toMatchObject({ eval: 1, unlink: 1, set: 200 });
    const other = await start();
    expect(await ask(other, asked)).toMatchObject({ cachedCount: 100, totalCost: 0 });
    expect(await commands()).toMatchObject({ eval: 2, unlink: 1, set: 200 });
    expect(provider.calls).toHaveLength(1);
  });

  test('of a mixed batch only what is missing is computed, in every order', async () => {
    const first = await start();
    for (const pattern of ['cmcmcm', 'mmmccc', 'cccmmm', 'mcmmcc', 'cccccc', 'mmmmmm']) {
      const asked = many(pattern.length);
      const cached = asked.filter((_, i) => pattern[i] === 'c');
      const before = await cachedKeys(redis.client);
      if (cached.length > 0) await ask(first, cached);
      await inRedis(before + cached.length);
      // Another process would have to ask Redis; a server that has just started is one.
      const second = await start();
      provider.forget();
      const { cachedCount } = await ask(second, [...asked, ...asked]);
      expect(cachedCount).toBe(2 * cached.length);
      expect(provider.calls.flatMap(({ input }) => input)).toEqual(
        asked.filter((_, i) => pattern[i] === 'm'),
      );
    }
  });

  test('an entry ends with its life, in both tiers', async () => {
    const server = await start({ EMBEDQL_CACHE_TTL: '1' });
    const [text] = many(1) as [string];
    await ask(server, [text]);
    expect((await ask(server, [text])).cachedCount).toBe(1);
    const reader = await start({ EMBEDQL_CACHE_TTL: '1' });
    await ask(reader, [text]);
    await sleep(2_100);
    expect((await ask(server, [text])).cachedCount).toBe(0);
    expect((await ask(reader, [text])).cachedCount + provider.calls.length).toBeGreaterThanOrEqual(2);
  });

  test('with EMBEDQL_CACHE=off nothing is read or written', async () => {
    const server = await start({ EMBEDQL_CACHE: 'off' });
    const asked = many(1);
    await ask(server, asked);
    expect(await ask(server, asked)).toMatchObject({ cachedCount: 0 });
    expect(await cachedKeys(redis.client)).toBe(0);
    expect(await health(server)).toEqual({ status: 'OK', cacheBackend: 'none', cachingEnabled: false });
  });

  test('values that do not check out are misses, are counted, and are overwritten', async () => {
    const server = await start();
    const asked = many(8);
    await ask(server, asked);
    await inRedis(8);
    const keys = await redis.client.keys('embed:v2:*');
    const good = await redis.client.getBuffer(keys[0]!);
    const flipped = Buffer.from(good!);
    flipped[headerBytes + 100]! ^= 1;
    const wrongTokens = Buffer.from(good!);
    wrongTokens[8]! ^= 1;
    const version = Buffer.from(good!);
    version[0] = 9;
    const damaged = [
      flipped,
      wrongTokens,
      version,
      good!.subarray(0, 1_000),
      Buffer.from('garbage'),
      Buffer.alloc(0),
      Buffer.concat([good!, good!]),
    ];
    for (const [i, value] of damaged.entries()) await redis.client.set(keys[i]!, value);
    await redis.client.del(keys[7]!);
    await redis.client.lpush(keys[7]!, 'a list');
    const other = await start();
    provider.forget();
    expect((await ask(other, asked)).cachedCount).toBe(0);
    expect(provider.calls.map(({ input }) => input.length)).toEqual([8]);
    expect(await cacheErrors(other, 'decode')).toBe(7);
    await until(async () => (await redis.client.type(keys[7]!)) === 'string');
    const third = await start();
    expect((await ask(third, asked)).cachedCount).toBe(8);
  });

  test('a vector of another dimension under our key is a miss, counted once', async () => {
    const { encodeVector } = await import('../../src/cache/codec.ts');
    const server = await start();
    const asked = many(1);
    await ask(server, asked);
    await inRedis(1);
    const [key] = await redis.client.keys('embed:*');
    await redis.client.set(
      key!,
      encodeVector({ vector: new Float32Array(3), tokens: 1, truncated: false, writtenAt: 0 }),
    );
    const reader = await start();
    expect((await ask(reader, asked)).cachedCount).toBe(0);
    expect(await cacheErrors(reader, 'decode')).toBe(1);
    // What was computed has taken its place, here and in Redis.
    expect((await ask(reader, asked)).cachedCount).toBe(1);
    expect(await cacheErrors(reader, 'decode')).toBe(1);
    await until(async () => (await redis.client.strlen(key!)) === 4 * 1_536 + headerBytes);
  });

  test('a usage beyond 32 bits ends no process: the tokens are counted here, and are so in Redis', async () => {
    const server = await start();
    provider.misbehave = ({ input }, response) => {
      const data = input.map((text, index) => ({ index, embedding: Array.from(vectorOf(text)) }));
      sendJson(response, 200, { data, usage: { prompt_tokens: 5e9, total_tokens: 5e9 } });
      return true;
    };
    const [text] = many(1) as [string];
    const embed = 'mutation($text: String!) { embed(text: $text) { tokens cached } }';
    const counted = countTokens(text);
    const first = await server.graphql(embed, { text });
    expect(first.data.embed).toEqual({ tokens: counted, cached: false });
    await inRedis(1);
    const second = await (await start()).graphql(embed, { text });
    expect(second.data.embed).toEqual({ tokens: counted, cached: true });
  });

  test('two replicas that get the same cold texts at the same moment pay once', async () => {
    provider.delayMs = 80;
    const replicas = [await start(), await start(), await start()];
    const asked = many(20);
    const answers = await Promise.all(replicas.map((replica) => ask(replica, asked)));
    expect(provider.calls.map(({ input }) => input.length)).toEqual([20]);
    expect(answers.map(({ cachedCount }) => cachedCount).sort((a, b) => a - b)).toEqual([0, 20, 20]);
    expect(answers.filter(({ totalCost }) => totalCost > 0)).toHaveLength(1);
    await until(async () => (await redis.client.keys('embed:lease:*')).length === 0);
    provider.delayMs = 0;
  });

  test('a provider that takes its time is asked once, however many replicas wait', async () => {
    provider.delayMs = 1_500;
    const replicas = [await start(), await start()];
    const asked = many(3);
    await Promise.all(replicas.map((replica) => ask(replica, asked)));
    expect(provider.calls.map(({ input }) => input.length)).toEqual([3]);
    provider.delayMs = 0;
  });

  test('what is computed by one replica is there for the other, and Prometheus tells the tiers apart', async () => {
    const [a, b] = [await start(), await start()];
    const asked = many(10);
    await ask(a, asked);
    await inRedis(10);
    await ask(b, asked);
    await ask(b, asked);
    const page = await (await fetch(`${b.url}/metrics`)).text();
    expect(page).toContain('embedql_embeddings_total{model="text-embedding-3-small",source="redis"} 10');
    expect(page).toContain('embedql_embeddings_total{model="text-embedding-3-small",source="memory"} 10');
    expect(
      (await b.graphql('{ metrics { cacheHits cacheMisses cacheHitRate costSavedUsd } }')).data.metrics,
    ).toMatchObject({
      cacheHits: 20,
      cacheMisses: 0,
      cacheHitRate: 1,
    });
  });
});

describe.skipIf(!hasRedisServer)('a Redis that is in trouble', () => {
  beforeEach(async () => {
    redis = await startRedis();
    provider.forget();
  });
  afterEach(async () => {
    await Promise.all(servers.map((server) => server.stop()));
    servers = [];
    redis.signal('SIGCONT');
    await redis.stop();
  });

  /** Sends load, does something to Redis in the middle of it, and checks that nobody noticed. */
  async function underLoad(server: TestServer, trouble: () => Promise<void> | void): Promise<void> {
    let running = true;
    const readErrors = await cacheErrors(server, 'read');
    const known = many(20);
    await ask(server, known);
    const client = async () => {
      while (running) {
        await ask(server, [...many(3), ...known.slice(0, 3)]);
      }
    };
    const clients = Array.from({ length: 4 }, client);
    await sleep(200);
    await trouble();
    await until(async () => (await health(server)).status === 'DEGRADED');
    await sleep(300);
    running = false;
    await Promise.all(clients);
    // Only those waited for Redis who were at it in that moment; who came later did not ask.
    expect((await cacheErrors(server, 'read')) - readErrors).toBeLessThanOrEqual(clients.length);
  }

  const recovered = (server: TestServer) => until(async () => (await health(server)).status === 'OK');

  async function usesRedis(server: TestServer): Promise<void> {
    await until(async () => {
      const asked = many(1);
      await ask(server, asked);
      await sleep(50);
      const fresh = await start();
      const { cachedCount } = await ask(fresh, asked);
      return cachedCount === 1;
    });
  }

  test('killed with -9 under load, then started again empty', async () => {
    const server = await start();
    expect(await health(server)).toEqual({ status: 'OK', cacheBackend: 'redis', cachingEnabled: true });
    await underLoad(server, () => redis.signal('SIGKILL'));
    expect(await health(server)).toEqual({
      status: 'DEGRADED',
      cacheBackend: 'memory',
      cachingEnabled: true,
    });
    expect((await fetch(`${server.url}/ready`)).status).toBe(200);
    await redis.restart();
    await recovered(server);
    await usesRedis(server);
  });

  test('stopped under load, then continued', async () => {
    const server = await start();
    await underLoad(server, () => redis.signal('SIGSTOP'));
    expect(await health(server)).toMatchObject({ cacheBackend: 'memory' });
    redis.signal('SIGCONT');
    await recovered(server);
    await usesRedis(server);
  });

  test('slower than anybody will wait, and then fast', async () => {
    const proxy = await startSlowProxy(redis.port);
    const server = await start({ REDIS_URL: `redis://127.0.0.1:${proxy.port}` });
    await underLoad(server, () => {
      proxy.delayMs = 400;
    });
    expect(await health(server)).toMatchObject({ cacheBackend: 'memory' });
    proxy.delayMs = 0;
    await recovered(server);
    await usesRedis(server);
    await proxy.close();
  });

  test('not there at the start', async () => {
    redis.signal('SIGKILL');
    await sleep(100);
    const server = await start();
    expect(await health(server)).toMatchObject({ status: 'DEGRADED', cacheBackend: 'memory' });
    await ask(server, many(5));
    await redis.restart();
    await recovered(server);
    await usesRedis(server);
  });

  test('full, and then not', async () => {
    const server = await start();
    await redis.client.config('SET', 'maxmemory-policy', 'noeviction');
    await redis.client.config('SET', 'maxmemory', '1mb');
    const asked = many(5);
    await ask(server, asked);
    await until(async () => (await health(server)).status === 'DEGRADED');
    expect((await ask(server, asked)).cachedCount).toBe(5);
    expect(await cacheErrors(server, 'write')).toBeGreaterThan(0);
    await redis.client.config('SET', 'maxmemory', '0');
    await recovered(server);
    await usesRedis(server);
  });

  test('a read-only replica, and then the master', async () => {
    const master = await startRedis();
    await redis.client.replicaof('127.0.0.1', master.port);
    const server = await start();
    const asked = many(5);
    await ask(server, asked);
    await until(async () => (await health(server)).status === 'DEGRADED');
    expect((await ask(server, asked)).cachedCount).toBe(5);
    await redis.client.replicaof('NO', 'ONE');
    await recovered(server);
    await usesRedis(server);
    await master.stop();
  });

  test('a password that is wrong', async () => {
    const locked = await startRedis(['--requirepass', 'right'], 'right');
    const server = await start({ REDIS_URL: `redis://:wrong@127.0.0.1:${locked.port}` });
    await ask(server, many(5));
    expect(await health(server)).toMatchObject({ status: 'DEGRADED', cacheBackend: 'memory' });
    const open = await start({ REDIS_URL: locked.url });
    expect(await health(open)).toMatchObject({ status: 'OK', cacheBackend: 'redis' });
    await locked.stop();
  });
});
