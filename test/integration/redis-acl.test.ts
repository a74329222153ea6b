import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startEmbedQL, type TestServer } from '../support/embedql.ts';
import { type ProviderServer, startProvider } from '../support/provider-server.ts';
import { hasRedisServer, type RedisServer, startRedis } from '../support/redis-server.ts';

/** The line of the manual that makes a user with no more rights than a server needs. */
const manual = readFileSync(new URL('../../docs/operations/cache.md', import.meta.url), 'utf8');
const rights = /^ACL SETUSER embedql on >(\S+) (.+)$/m.exec(manual);

describe.skipIf(!hasRedisServer)('a Redis user with few rights', () => {
  let redis: RedisServer;
  let provider: ProviderServer;
  const servers: TestServer[] = [];

  beforeAll(async () => {
    [redis, provider] = await Promise.all([startRedis(), startProvider()]);
    expect(rights).not.toBeNull();
    const words = rights![2]!.split(' ');
    await redis.client.call('ACL', 'SETUSER', 'embedql', 'on', '>p@ss/w%rd', ...words);
    const readers = words.filter((word) => word !== '+eval');
    await redis.client.call('ACL', 'SETUSER', 'reader', 'on', '>reader', ...readers);
  });
  afterAll(async () => {
    await Promise.all(servers.map((server) => server.stop()));
    await Promise.all([redis.stop(), provider.close()]);
  });

  const start = async (user: string, password: string) => {
    const server = await startEmbedQL({
      ...provider.env,
      EMBEDQL_API_KEYS: 'web:key',
      EMBEDQL_KEY_LIMITS: 'web:1000/min:5usd/day',
      REDIS_URL: `redis://${user}:${encodeURIComponent(password)}@127.0.0.1:${redis.port}`,
    });
    servers.push(server);
    return server;
  };
  const ask = async (server: TestServer, text: string) => {
    const { data, errors } = await server.graphql(
      'mutation($text: String!) { embed(text: $text) { cached cost } }',
      { text },
      { headers: { authorization: 'Bearer key' } },
    );
    expect(errors).toBeUndefined();
    return data.embed as { cached: boolean; cost: number };
  };
  const denied = async () => (await redis.client.call('ACL', 'LOG')) as unknown[];

  test('has all that cache, leases, budgets and persisted queries ask for', async () => {
    const [a, b] = [await start('embedql', 'p@ss/w%rd'), await start('embedql', 'p@ss/w%rd')];
    expect((await ask(a, 'with few rights')).cached).toBe(false);
    await expect.poll(async () => (await ask(b, 'with few rights')).cached).toBe(true);
    expect(await denied()).toEqual([]);
    for (const { app } of [a, b]) expect(app.services.cache.degraded).toBe(false);
    const money = await redis.client.keys('{embedql}:money:*');
    expect(money.length).toBeGreaterThan(0);
  });

  test('who may run no scripts still shares what is cached', async () => {
    const [a, b] = [await start('reader', 'reader'), await start('reader', 'reader')];
    expect((await ask(a, 'without scripts')).cached).toBe(false);
    await expect.poll(async () => (await ask(b, 'without scripts')).cached).toBe(true);
  });
});
