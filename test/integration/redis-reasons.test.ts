import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runEmbedQL } from '../support/processes.ts';
import { freePort, hasRedisServer, type RedisServer, startRedis } from '../support/redis-server.ts';

describe.skipIf(!hasRedisServer)('a Redis that cannot be used', () => {
  let guarded: RedisServer;
  let open: RedisServer;
  let nobody: number;

  beforeAll(async () => {
    [guarded, open, nobody] = await Promise.all([
      startRedis(['--requirepass', 'right'], 'right'),
      startRedis(),
      freePort(),
    ]);
  });
  afterAll(async () => void (await Promise.all([guarded.stop(), open.stop()])));

  test.each([
    ['a wrong password', () => `redis://:hunter2@127.0.0.1:${guarded.port}`, 'WRONGPASS'],
    ['no password', () => `redis://127.0.0.1:${guarded.port}`, 'NOAUTH'],
    ['nobody listens', () => `redis://127.0.0.1:${nobody}`, 'ECONNREFUSED'],
    ['no such host', () => 'redis://no-such-host.invalid:6379', /ENOTFOUND|EAI_AGAIN/],
    ['TLS to a plain port', () => `rediss://127.0.0.1:${open.port}`, /ETIMEDOUT|ECONNRESET|ERR_SSL|EPROTO/],
    ['a database that is not there', () => `redis://127.0.0.1:${open.port}/99`, /DB index/],
    ['Sentinels that are not there', () => `redis-sentinel://127.0.0.1:${nobody}/mymaster`, 'ECONNREFUSED'],
    [
      'nodes that are not there',
      () => `redis://127.0.0.1:${nobody},redis://127.0.0.1:${nobody}`,
      'ECONNREFUSED',
    ],
    [
      'a cluster with a wrong password',
      () => `redis://:hunter2@127.0.0.1:${guarded.port},redis://127.0.0.1:${guarded.port}`,
      'WRONGPASS',
    ],
  ])(
    '%s: the server starts without, says why once, and nothing else is printed',
    async (_name, url, reason) => {
      const server = runEmbedQL(['serve'], {
        PORT: '0',
        REDIS_URL: url(),
        NODE_ENV: 'production',
        OPENAI_API_KEY: 'sk-test',
        EMBEDQL_DEFAULT_MODEL: 'text-embedding-3-small',
      });
      const [, address] = await server.printed(/(http:\/\/[\d.:]+)\/graphql/);
      await server.printed(/Redis is unreachable/);
      const response = await fetch(`${address}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({
          query: '{ health { status cacheBackend problems cacheTiers { name healthy problem } } }',
        }),
      });
      const problems = [expect.stringMatching(reason)];
      const redis = { name: 'redis', healthy: false, problem: problems[0] };
      const cacheTiers = [{ name: 'memory', healthy: true, problem: null }, redis];
      expect(await response.json()).toMatchObject({
        data: { health: { cacheBackend: 'memory', problems, cacheTiers } },
      });
      await sleep(300);
      server.process.kill('SIGTERM');
      const { stdout, stderr } = await server.finished;
      expect(stderr).toBe('');
      const lines = stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as { msg: string; reason?: string });
      const away = lines.filter(({ msg }) => msg.startsWith('Redis is unreachable'));
      expect(away).toHaveLength(1);
      expect(away[0]!.reason).toMatch(reason);
      expect(stdout).not.toContain('hunter2');
    },
  );

  test.each([
    ['a raw % in the password', 'redis://:hunter2%@127.0.0.1:6379'],
    ['a comma too many', 'redis://a:1,'],
    ['a wrong database', 'redis://a:1/x'],
    ['no master', 'redis-sentinel://a:1'],
  ])('%s stops the start with one line', async (_name, url) => {
    const { code, stdout, stderr } = await runEmbedQL(['serve'], { PORT: '0', REDIS_URL: url }).finished;
    expect(code).not.toBe(0);
    expect(`${stdout}${stderr}`.trim()).toMatch(/^[^\n]*REDIS_URL: [^\n]+$/);
    expect(`${stdout}${stderr}`).not.toContain('hunter2');
  });
});
