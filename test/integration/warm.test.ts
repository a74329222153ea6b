import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { runCli } from '../../src/cli/cli.ts';
import { warmCache } from '../../src/cli/warm.ts';
import { readConfig } from '../../src/config/config.ts';
import { runEmbedQL } from '../support/processes.ts';
import { type ProviderServer, startProvider } from '../support/provider-server.ts';
import { cachedKeys, hasRedisServer, type RedisServer, startRedis } from '../support/redis-server.ts';

describe.skipIf(!hasRedisServer)('embedql warm and embedql cache', () => {
  let redis: RedisServer;
  let provider: ProviderServer;
  let folder: string;

  beforeAll(async () => {
    [redis, provider, folder] = await Promise.all([
      startRedis(),
      startProvider(),
      mkdtemp(path.join(tmpdir(), 'embedql-warm-')),
    ]);
  });
  beforeEach(async () => {
    await redis.client.flushall();
    provider.forget();
    provider.delayMs = 0;
  });
  afterAll(() => Promise.all([redis.stop(), provider.close()]));

  async function cli(...argv: string[]) {
    let out = '';
    let err = '';
    const code = await runCli({
      argv,
      env: { ...provider.env, REDIS_URL: redis.url, LOG_LEVEL: 'silent' },
      out: (text) => {
        out += text;
      },
      err: (text) => {
        err += text;
      },
    });
    return { code, out, err };
  }

  const write = async (name: string, lines: string[]) => {
    const file = path.join(folder, name);
    await writeFile(file, `${lines.join('\n')}\n`);
    return file;
  };

  test('fills the cache once, and tells what it paid', async () => {
    const lines = Array.from({ length: 1_234 }, (_, i) => `line ${i % 1_000}`);
    const file = await write('texts.txt', [...lines, '', '  ']);
    const first = await cli('warm', file);
    const usd = ((provider.billedTokens() * 0.00002) / 1000).toFixed(6);
    expect(first).toMatchObject({
      code: 0,
      err: '',
      out: expect.stringMatching(new RegExp(`^1234 texts: .* 0 failed, \\$${usd} paid\n$`)),
    });
    expect(provider.calls.reduce((sum, { input }) => sum + input.length, 0)).toBe(1_000);
    expect(await cachedKeys(redis.client)).toBe(1_000);
    provider.forget();
    expect((await cli('warm', file)).out).toBe(
      '1234 texts: 1234 were there, 0 computed, 0 failed, $0.000000 paid\n',
    );
    expect(provider.calls).toEqual([]);
  });

  test('reads JSON lines, and reports bad ones by their number without repeating them', async () => {
    const file = await write('texts.jsonl', [
      '"one"',
      '{"text": "two", "id": 7}',
      '{"txt": "secret"}',
      'secret',
      '',
      '" "',
      `"three ${provider.poison}"`,
    ]);
    const { code, out, err } = await cli('warm', file, '--model', 'text-embedding-3-large');
    expect(code).toBe(0);
    expect(out).toMatch(/^3 texts: 0 were there, 2 computed, 4 failed/);
    expect(err).toMatch(
      /line 3 is neither.*\nline 4 is not JSON; skipped\nline 6 has an empty text; skipped\nline 7 failed: PROVIDER_ERROR/,
    );
    expect(err).not.toContain('secret');
    expect((await redis.client.keys('embed:v2:text-embedding-3-large:doc:*')).length).toBe(2);
  });

  test('reads standard input', async () => {
    const config = readConfig({ ...provider.env, REDIS_URL: redis.url, LOG_LEVEL: 'silent' });
    const stdin = Readable.from(['from\nstandard\n', 'input']);
    expect(
      await warmCache({
        file: '-',
        model: undefined,
        key: undefined,
        config,
        env: provider.env,
        stdin,
        err: () => {},
      }),
    ).toMatch(/^3 texts: 0 were there, 3 computed/);
  });

  test('can be interrupted and started again without paying twice', async () => {
    const file = await write(
      'many.txt',
      Array.from({ length: 6_000 }, (_, i) => `many ${i}`),
    );
    provider.delayMs = 50;
    const running = runEmbedQL(['warm', file], {
      ...provider.env,
      REDIS_URL: redis.url,
      EMBEDQL_PROVIDER_CONCURRENCY: '2',
    });
    while (provider.calls.length < 6) await new Promise((resolve) => setTimeout(resolve, 5));
    running.process.kill('SIGINT');
    const { stdout } = await running.finished;
    expect(stdout).toMatch(/interrupted; start it again to go on: \d+ texts/);
    const paid = provider.calls.reduce((sum, { input }) => sum + input.length, 0);
    expect(paid).toBeLessThan(6_000);
    expect(await cachedKeys(redis.client)).toBe(paid);
    provider.delayMs = 0;
    expect((await cli('warm', file)).out).toMatch(
      new RegExp(`^6000 texts: ${paid} were there, ${6_000 - paid} computed`),
    );
  });

  test('says what it needs', async () => {
    expect(await cli('warm', path.join(folder, 'nowhere.txt'))).toMatchObject({
      code: 1,
      err: expect.stringContaining('there is no such file'),
    });
    const without = { argv: ['warm', 'x'], env: { LOG_LEVEL: 'silent' }, out: () => {} };
    let err = '';
    const code = await runCli({
      ...without,
      err: (text) => {
        err += text;
      },
    });
    expect({ code, err }).toEqual({ code: 1, err: expect.stringMatching(/^REDIS_URL: .*\n$/) });
  });

  test('shows what there is, and removes what one model has', async () => {
    const file = await write('few.txt', ['a', 'b', 'c']);
    await cli('warm', file);
    await cli('warm', file, '--model', 'text-embedding-3-large');
    await redis.client.set('embed:v2:something else', 'not ours');
    await redis.client.set('other', 'not ours');
    expect((await cli('cache', 'stats')).out).toMatch(
      /MODEL +DOCUMENTS +QUERIES +VALUES\ntext-embedding-3-large +3 +0 +0.0 MB\ntext-embedding-3-small +3 +0 +0.0 MB\n/,
    );
    expect((await cli('cache', 'clear', '--model', 'text-embedding-3-large')).out).toMatch(
      /^3 entries of text-embedding-3-large removed/,
    );
    expect((await cli('cache', 'stats', '--model', 'text-embedding-3-large')).out).toBe(
      'There is nothing in the cache.\n',
    );
    expect(await cachedKeys(redis.client)).toBe(4);
    expect(await redis.client.exists('other')).toBe(1);
    expect((await cli('cache', 'clear')).code).not.toBe(0);
  });

  test('says so when Redis is not there', async () => {
    let err = '';
    const code = await runCli({
      argv: ['cache', 'stats'],
      env: { REDIS_URL: 'redis://:hunter2@127.0.0.1:1' },
      out: () => {},
      err: (text) => {
        err += text;
      },
    });
    expect({ code, err }).toEqual({
      code: 1,
      err: expect.stringMatching(/^REDIS_URL: Redis does not answer/),
    });
    expect(err).not.toContain('hunter2');
  });
});
