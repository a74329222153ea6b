import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { runCli } from '../../src/cli/cli.ts';
import { startEmbedQL, type TestServer } from '../support/embedql.ts';
import { type ProviderServer, startProvider } from '../support/provider-server.ts';
import { cachedKeys, hasRedisServer, type RedisServer, startRedis } from '../support/redis-server.ts';

const keys = { EMBEDQL_API_KEYS: 'web:one,batch:two,web:three', EMBEDQL_CACHE_SCOPE: 'key' };

describe('a cache for each key', () => {
  let provider: ProviderServer;
  let dir: string;
  const servers: TestServer[] = [];
  /** What is stopped after each test, once the servers are. */
  const stops: Array<() => Promise<void>> = [];
  beforeAll(async () => {
    provider = await startProvider();
  });
  beforeEach(async () => {
    dir = await mkdtemp(path.join(tmpdir(), 'scope-test-'));
    provider.forget();
    provider.delayMs = 0;
  });
  afterEach(async () => {
    await Promise.all(servers.splice(0).map((server) => server.stop()));
    await Promise.all(stops.splice(0).map((stop) => stop()));
    await rm(dir, { recursive: true, force: true });
  });
  afterAll(() => provider.close());

  const start = async (env: Record<string, string> = {}) => {
    const server = await startEmbedQL({ ...provider.env, ...keys, ...env });
    servers.push(server);
    return server;
  };
  const ask = async (server: TestServer, key: string, texts = ['a text']) => {
    const { data, errors } = await server.graphql(
      'mutation($texts: [String!]!) { embedBatch(texts: $texts) { cachedCount totalCost } }',
      { texts },
      { headers: { authorization: `Bearer ${key}` } },
    );
    expect(errors).toBeUndefined();
    return { cached: data.embedBatch.cachedCount as number, paid: data.embedBatch.totalCost > 0 };
  };
  const sent = () => provider.calls.flatMap(({ input }) => input);

  test('tells nobody what another has asked for, neither later nor at the same time', async () => {
    const server = await start({ EMBEDQL_CACHE_DIR: dir });
    expect(await ask(server, 'one')).toEqual({ cached: 0, paid: true });
    expect(await ask(server, 'two')).toEqual({ cached: 0, paid: true });
    expect(await ask(server, 'two')).toEqual({ cached: 1, paid: false });
    // Another key of the same name is the same tenant.
    expect(await ask(server, 'three')).toEqual({ cached: 1, paid: false });
    provider.delayMs = 100;
    const together = await Promise.all(['one', 'two', 'three'].map((key) => ask(server, key, ['another'])));
    expect(together.filter(({ paid }) => paid)).toHaveLength(2);
    expect(sent().filter((text) => text === 'another')).toHaveLength(2);
    const estimate = async (key: string) =>
      (
        await server.graphql(
          '{ estimate(texts: ["only of one", "another"]) { cached } }',
          {},
          { headers: { authorization: `Bearer ${key}` } },
        )
      ).data.estimate.cached;
    await ask(server, 'one', ['only of one']);
    expect([await estimate('one'), await estimate('two')]).toEqual([2, 1]);
  });

  test('outlives a restart on the disk, each its own', async () => {
    const first = await start({ EMBEDQL_CACHE_DIR: dir });
    await ask(first, 'one');
    await servers.pop()!.stop();
    const second = await start({ EMBEDQL_CACHE_DIR: dir });
    expect((await ask(second, 'one')).cached).toBe(1);
    expect((await ask(second, 'two')).cached).toBe(0);
  });

  describe.skipIf(!hasRedisServer)('in Redis', () => {
    const cli = async (...argv: string[]) => {
      let out = '';
      let err = '';
      const env = { ...provider.env, ...keys, REDIS_URL: redis.url, LOG_LEVEL: 'silent' };
      const code = await runCli({
        argv,
        env,
        out: (text) => {
          out += text;
        },
        err: (text) => {
          err += text;
        },
      });
      return { code, out, err };
    };

    let redis: RedisServer;
    test('has keys and leases of its own; warm and estimate say whose, stats and clear have all', async () => {
      redis = await startRedis();
      stops.push(() => redis.stop());
      const [a, b] = [await start({ REDIS_URL: redis.url }), await start({ REDIS_URL: redis.url })];
      provider.delayMs = 100;
      const both = await Promise.all([ask(a, 'one'), ask(b, 'two'), ask(b, 'one')]);
      expect(both.filter(({ paid }) => paid)).toHaveLength(2);
      await expect.poll(() => cachedKeys(redis.client)).toBe(2);
      const names = (await redis.client.keys('embed:v2:*')).map((key) => key.split(':')[2]).sort();
      expect(names).toEqual(['text-embedding-3-small@key=batch', 'text-embedding-3-small@key=web']);
      provider.delayMs = 0;
      const file = path.join(dir, 'texts.txt');
      await writeFile(file, 'a text\nb\n');
      expect(await cli('warm', file)).toMatchObject({
        code: 1,
        err: expect.stringMatching(/^--key: must be set/),
      });
      expect(await cli('warm', file, '--key', 'nobody')).toMatchObject({
        code: 1,
        err: expect.stringMatching(/no key of the name nobody/),
      });
      expect((await cli('warm', file, '--key', 'web')).out).toMatch(/1 were there, 1 computed/);
      expect((await cli('estimate', file, '--key', 'batch')).out).toMatch(/cached +1\b/);
      expect((await cli('cache', 'stats')).out).toMatch(/3-small@key=batch +1 .*\n.*3-small@key=web +2 /);
      expect((await cli('cache', 'clear', '--model', 'text-embedding-3-small')).out).toMatch(/^3 entries/);
    });
  });
});
