import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type Running, serveEmbedQL } from '../support/processes.ts';
import { type ProviderServer, startProvider, vectorOf } from '../support/provider-server.ts';
import {
  cachedKeys,
  hasRedisServer,
  startCluster,
  startRedis,
  startSentinel,
} from '../support/redis-server.ts';
import { decode } from '../support/vectors.ts';

/** Where replicas may meet: the address that they are given, and how to end it. */
const places = [
  ['a single Redis', () => startRedis(), (redis: { url: string }) => redis.url],
  ['Sentinel', () => startSentinel(), (redis: { url: string }) => redis.url],
  // One node is enough: the others are found.
  ['a cluster', () => startCluster(), (redis: { urls: string }) => redis.urls.split(',')[0]!],
] as const;

type Server = Running & { url: string };

const healthOf = async (server: Server) => {
  const { data } = await post(server, '{ health { status cacheBackend } }');
  return data.health as { status: string; cacheBackend: string };
};

// biome-ignore lint/suspicious/noExplicitAny: answers of every shape
async function post(server: Server, query: string, variables: object = {}): Promise<any> {
  const response = await fetch(`${server.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query, variables }),
  });
  return response.json();
}

let provider: ProviderServer;
let round = 0;
const fresh = (n: number) => Array.from({ length: n }, (_, i) => `text ${i} of round ${round}`);

describe.skipIf(!hasRedisServer).each(places)('replicas on %s', (_name, start, urlOf) => {
  let redis: Awaited<ReturnType<typeof start>>;
  let servers: Server[] = [];

  beforeAll(async () => {
    [redis, provider] = await Promise.all([start(), startProvider({ delayMs: 2_000 })]);
  });
  afterEach(async () => {
    for (const server of servers) server.process.kill('SIGKILL');
    await Promise.all(servers.map((server) => server.finished));
    servers = [];
  });
  afterAll(async () => void (await Promise.all([redis.stop(), provider.close()])));

  const launch = async (count: number) => {
    round += 1;
    provider.forget();
    const env = {
      ...provider.env,
      EMBEDQL_DEFAULT_MODEL: 'text-embedding-3-small',
      REDIS_URL: urlOf(redis as never),
    };
    servers = await Promise.all(Array.from({ length: count }, () => serveEmbedQL(env)));
    for (const server of servers)
      await expect.poll(() => healthOf(server)).toEqual({ status: 'OK', cacheBackend: 'redis' });
    return servers;
  };

  /** All texts through one replica. */
  const ask = async (server: Server, texts: string[]) => {
    const { data } = await post(
      server,
      'mutation($texts: [String!]!) { embedBatch(texts: $texts) { embeddingsBase64 failures { code } } }',
      { texts },
    );
    expect(data.embedBatch.failures).toEqual([]);
    for (const [i, text] of texts.entries())
      expect(decode(data.embedBatch.embeddingsBase64[i])).toEqual(vectorOf(text));
  };

  /** How often each text was paid for. */
  const payments = (texts: string[]) => {
    const counts = new Map(texts.map((text) => [text, 0]));
    for (const { input } of provider.calls) for (const text of input) counts.set(text, counts.get(text)! + 1);
    return [...counts.values()];
  };

  const sent = (count: number) =>
    expect.poll(() => provider.calls.flatMap(({ input }) => input).length).toBeGreaterThanOrEqual(count);

  test('all ask for the same 200 texts at once: each is paid for once', async () => {
    const replicas = await launch(3);
    const texts = fresh(200);
    await Promise.all(replicas.map((server) => ask(server, texts)));
    expect(new Set(payments(texts))).toEqual(new Set([1]));
  });

  test.each(['SIGKILL', 'SIGSTOP'] as const)(
    'the holder gets %s: the others take over, and no text is paid for more than twice',
    async (signal) => {
      const [holder, ...others] = await launch(3);
      const texts = fresh(200);
      // What the holder answers, if it does, is of no interest.
      const lost = ask(holder!, texts).catch(() => {});
      await sent(200);
      const waiting = others.map((server) => ask(server, texts));
      await sleep(300);
      holder!.process.kill(signal);
      await Promise.all(waiting);
      expect(Math.max(...payments(texts))).toBeLessThanOrEqual(2);
      holder!.process.kill('SIGKILL');
      await lost;
    },
  );
});

describe.skipIf(!hasRedisServer)('a master behind Sentinel that dies', () => {
  test('is followed by its replica: health recovers, and what was kept is still there', async () => {
    const [sentinel, fast] = await Promise.all([startSentinel(), startProvider()]);
    provider = fast;
    const env = {
      ...provider.env,
      EMBEDQL_DEFAULT_MODEL: 'text-embedding-3-small',
      REDIS_URL: sentinel.url,
    };
    const servers = await Promise.all([serveEmbedQL(env), serveEmbedQL(env)]);
    try {
      const ask = async (server: Server, text: string) => {
        const query = 'mutation($text: String!) { embed(text: $text) { cached embeddingBase64 } }';
        const { data } = await post(server, query, { text });
        expect(decode(data.embed.embeddingBase64)).toEqual(vectorOf(text));
        return data.embed.cached as boolean;
      };
      for (const server of servers)
        await expect.poll(() => healthOf(server)).toEqual({ status: 'OK', cacheBackend: 'redis' });
      const [master, replica] = sentinel.nodes;
      await ask(servers[0]!, 'kept before');
      await expect.poll(() => cachedKeys(replica.client)).toBe(1);
      master.signal('SIGKILL');
      // Meanwhile everybody is served.
      for (let i = 0; i < 5; i++) await ask(servers[i % 2]!, `meanwhile ${i}`);
      for (const server of servers)
        await expect
          .poll(() => healthOf(server), { timeout: 40_000 })
          .toEqual({ status: 'OK', cacheBackend: 'redis' });
      expect(await ask(servers[1]!, 'kept before')).toBe(true);
      await ask(servers[0]!, 'kept after');
      await expect.poll(() => ask(servers[1]!, 'kept after')).toBe(true);
    } finally {
      for (const server of servers) server.process.kill('SIGKILL');
      await Promise.all(servers.map((server) => server.finished));
      await Promise.all([sentinel.stop(), provider.close()]);
    }
  });
});
