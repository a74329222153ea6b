import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, randomInt } from 'node:crypto';
import { once } from 'node:events';
import { chmod, chown, mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import type { StoredVector } from '../../src/cache/codec.ts';
import { DiskTier } from '../../src/cache/disk/disk-tier.ts';
import { cacheKey } from '../../src/core/cache.ts';
import { type Log, silentLog } from '../../src/core/surroundings.ts';
import { AppendFile } from '../../src/files/append-file.ts';
import { diskCache } from '../../src/index.ts';
import { startEmbedQL, type TestServer } from '../support/embedql.ts';
import { runEmbedQL, serveEmbedQL } from '../support/processes.ts';
import { type ProviderServer, startProvider, vectorOf } from '../support/provider-server.ts';
import { cachedKeys, hasRedisServer, startRedis } from '../support/redis-server.ts';
import { decode } from '../support/vectors.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'disk-cache-'));
});
afterEach(async () => {
  vi.restoreAllMocks();
  await Promise.all(servers.splice(0).map((server) => server.stop()));
  await rm(dir, { recursive: true, force: true });
});

const batch = 'mutation($texts: [String!]!) { embedBatch(texts: $texts) { embeddingsBase64 cachedCount } }';
const status = '{ health { status cacheBackend } metrics { cacheHits diskHits redisHits } }';
const texts = (n: number, what = 'text') => Array.from({ length: n }, (_, i) => `${what} ${i}`);

let provider: ProviderServer;
const servers: TestServer[] = [];
beforeAll(async () => {
  provider = await startProvider();
});
afterAll(() => provider.close());

/** A log whose lines are kept. */
function keptLog(): Log & { lines: string[] } {
  const lines: string[] = [];
  const line = (fields: object | string, message?: string) => {
    lines.push(message ?? String(fields));
  };
  return { ...silentLog, warn: line, error: line, info: line, lines };
}

async function start(env: Record<string, string> = {}, log: Log = silentLog): Promise<TestServer> {
  const server = await startEmbedQL({ ...provider.env, EMBEDQL_CACHE_DIR: dir, ...env }, undefined, log);
  servers.push(server);
  return server;
}

async function stop(server: TestServer): Promise<void> {
  servers.splice(servers.indexOf(server), 1);
  await server.stop();
}

/** Asks for texts, checks every vector. @returns how many came out of the cache, and how many were paid for */
async function ask(url: string, asked: string[]): Promise<{ cached: number; paid: number }> {
  provider.forget();
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query: batch, variables: { texts: asked } }),
  });
  const { data, errors } = (await response.json()) as {
    data: { embedBatch: { embeddingsBase64: string[]; cachedCount: number } };
    errors?: unknown;
  };
  expect(errors).toBeUndefined();
  const vectors = data.embedBatch.embeddingsBase64.map(decode);
  for (const [i, text] of asked.entries()) expect(vectors[i], text).toEqual(vectorOf(text));
  return { cached: data.embedBatch.cachedCount, paid: provider.calls.flatMap(({ input }) => input).length };
}

const health = async (server: TestServer) => (await server.graphql(status)).data.health;

describe('a server with a folder', () => {
  test('pays nothing again after it was stopped; says what came from the disk', async () => {
    const first = await start();
    expect(await ask(first.url, texts(250))).toEqual({ cached: 0, paid: 250 });
    await stop(first);
    const second = await start();
    expect(await ask(second.url, texts(260))).toEqual({ cached: 250, paid: 10 });
    // What the disk had is in memory now.
    expect(await ask(second.url, texts(250))).toEqual({ cached: 250, paid: 0 });
    const { data } = await second.graphql(status);
    expect(data.metrics).toEqual({ cacheHits: 500, diskHits: 250, redisHits: 0 });
    expect(data.health).toEqual({ status: 'OK', cacheBackend: 'memory' });
    const page = await (await fetch(`${second.url}/metrics`)).text();
    expect(page).toContain('embedql_embeddings_total{model="text-embedding-3-small",source="disk"} 250');
  });

  test('pays nothing again after it was killed', async () => {
    const env = { ...provider.env, EMBEDQL_CACHE_DIR: dir };
    const asked = texts(300);
    for (let round = 0; round < 2; round++) {
      const server = await serveEmbedQL(env);
      expect((await ask(server.url, asked)).paid).toBe(round === 0 ? 300 : 0);
      // An answer is safe a moment after it was given.
      await sleep(500);
      server.process.kill('SIGKILL');
      await server.finished;
    }
  });

  test('lets entries go when their time is over, and keeps no text', async () => {
    const first = await start({ EMBEDQL_CACHE_TTL: '1' });
    await ask(first.url, ['a secret']);
    await stop(first);
    for (const file of await readdir(path.join(dir, 'vectors')))
      expect((await readFile(path.join(dir, 'vectors', file))).includes('secret')).toBe(false);
    await sleep(2_100);
    expect(await ask((await start({ EMBEDQL_CACHE_TTL: '1' })).url, ['a secret'])).toEqual({
      cached: 0,
      paid: 1,
    });
  });

  test.each<[string, (folder: string) => Promise<void>]>([
    ['is a file', (folder) => writeFile(folder, '')],
    ['lies below a file', (folder) => writeFile(path.dirname(folder), '')],
    [
      'has a file where ours should be',
      async (folder) => {
        await mkdir(folder, { recursive: true });
        await writeFile(path.join(folder, 'vectors'), '');
      },
    ],
  ])(
    'goes without one that %s, says DEGRADED and one line, and uses it once it can be had',
    async (_, spoil) => {
      const folder = path.join(dir, 'a', 'b');
      if (_ !== 'lies below a file') await mkdir(path.dirname(folder));
      await spoil(folder);
      const log = keptLog();
      const server = await start({ EMBEDQL_CACHE_DIR: folder }, log);
      expect((await health(server)).status).toBe('DEGRADED');
      expect(await ask(server.url, texts(5))).toEqual({ cached: 0, paid: 5 });
      expect(await ask(server.url, texts(5))).toEqual({ cached: 5, paid: 0 });
      await sleep(2_500);
      expect(log.lines.filter((line) => line.includes('disk cache'))).toHaveLength(1);
      await rm(path.join(dir, 'a'), { recursive: true });
      await expect.poll(async () => (await health(server)).status).toBe('OK');
    },
  );

  test('begins anew where the folder is deleted', async () => {
    const log = keptLog();
    const server = await start({}, log);
    await ask(server.url, texts(5));
    await rm(dir, { recursive: true });
    expect(await ask(server.url, texts(5, 'other'))).toEqual({ cached: 0, paid: 5 });
    await expect.poll(() => log.lines.filter((line) => line.includes('begun again'))).toHaveLength(1);
    await expect.poll(async () => (await health(server)).status).toBe('OK');
    await ask(server.url, texts(5, 'third'));
    await stop(server);
    expect(await ask((await start()).url, texts(5, 'third'))).toEqual({ cached: 5, paid: 0 });
  });

  test('two servers: one has it, the other goes without until the first is gone', async () => {
    const first = await start();
    const log = keptLog();
    const second = await start({}, log);
    expect((await health(first)).status).toBe('OK');
    expect((await health(second)).status).toBe('DEGRADED');
    await ask(first.url, texts(5));
    expect(await ask(second.url, texts(5))).toEqual({ cached: 0, paid: 5 });
    expect(log.lines.filter((line) => line.includes('another process'))).toHaveLength(1);
    await stop(first);
    await expect.poll(async () => (await health(second)).status).toBe('OK');
    await ask(second.url, texts(6, 'more'));
    await stop(second);
    expect(await ask((await start()).url, [...texts(5), ...texts(6, 'more')])).toEqual({
      cached: 11,
      paid: 0,
    });
  });

  test('a full disk: nobody notices but the log and health; once there is room it writes again', async () => {
    const log = keptLog();
    const server = await start({}, log);
    await ask(server.url, texts(5));
    const full = vi
      .spyOn(AppendFile.prototype, 'append')
      .mockRejectedValue(Object.assign(new Error('no space'), { code: 'ENOSPC' }));
    for (let i = 0; i < 3; i++) await ask(server.url, texts(5, `full ${i}`));
    await expect.poll(async () => (await health(server)).status).toBe('DEGRADED');
    expect(log.lines.filter((line) => line.includes('takes no writes'))).toHaveLength(1);
    full.mockRestore();
    await expect.poll(async () => (await health(server)).status).toBe('OK');
    await ask(server.url, texts(5, 'after'));
    await stop(server);
    expect((await ask((await start()).url, [...texts(5), ...texts(5, 'after')])).paid).toBe(0);
  });

  test('a file that the system lets grow no further is like a full disk', async () => {
    const command = fileURLToPath(new URL('../../dist/cli/bin.js', import.meta.url));
    // 512 blocks of 1,024 bytes: some 80 vectors.
    const child = spawn('bash', ['-c', `ulimit -f 512; exec ${process.execPath} ${command} serve`], {
      env: { ...process.env, ...provider.env, EMBEDQL_CACHE_DIR: dir, PORT: '0' },
    });
    const said = await untilSaid(child, /(http:\/\/[\d.]+:\d+)\/graphql/);
    for (let i = 0; i < 5; i++) expect((await ask(said[1]!, texts(50, `round ${i}`))).paid).toBe(50);
    await sleep(200);
    child.kill('SIGKILL');
    await once(child, 'close');
    const server = await start();
    expect((await ask(server.url, texts(50, 'round 0'))).paid).toBe(0);
    // What is smaller than the others may still have had room.
    expect((await ask(server.url, texts(50, 'round 4'))).paid).toBeGreaterThan(0);
  });

  test.skipIf(!hasRedisServer)(
    'keeps what Redis had; Redis alone is asked for what the disk has not',
    async () => {
      const redis = await startRedis();
      try {
        const other = await start({ REDIS_URL: redis.url, EMBEDQL_CACHE_DIR: '' });
        await ask(other.url, texts(20));
        await expect.poll(() => cachedKeys(redis.client)).toBe(20);
        const server = await start({ REDIS_URL: redis.url });
        await ask(server.url, texts(10));
        expect((await server.graphql(status)).data.metrics).toMatchObject({ diskHits: 0, redisHits: 10 });
        await stop(server);
        const again = await start({ REDIS_URL: redis.url });
        expect(await ask(again.url, texts(25))).toEqual({ cached: 20, paid: 5 });
        const { data } = await again.graphql(status);
        expect(data.metrics).toMatchObject({ diskHits: 10, redisHits: 10 });
        expect(data.health).toEqual({ status: 'OK', cacheBackend: 'redis' });
      } finally {
        await redis.stop();
      }
    },
  );
});

describe('embedql cache', () => {
  const cli = async (...args: string[]) => {
    const { code, stdout, stderr } = await runEmbedQL(args, { EMBEDQL_CACHE_DIR: dir }).finished;
    return { code, stdout, stderr };
  };
  const both =
    'mutation { a: embed(text: "a") { cost } b: embed(text: "b", model: "text-embedding-3-large") { cost } }';

  test.each(['stopped', 'running'])('counts and clears with the server %s', async (how) => {
    expect((await cli('cache', 'stats')).stdout).toBe('There is nothing in the cache.\n');
    let server = await start();
    await server.graphql(both);
    await sleep(200);
    if (how === 'stopped') await stop(server);
    expect((await cli('cache', 'stats')).stdout).toMatch(
      /MODEL +DOCUMENTS +QUERIES +VALUES\ntext-embedding-3-large +1 +0 +0.0 MB\ntext-embedding-3-small +1 +0 +0.0 MB\n/,
    );
    expect(await cli('cache', 'clear', '--model', 'text-embedding-3-small')).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^1 entries of text-embedding-3-small removed from the disk/),
    });
    expect((await cli('cache', 'stats')).stdout).not.toContain('small');
    if (how === 'running') await stop(server);
    server = await start();
    provider.forget();
    await server.graphql(both);
    expect(provider.calls.map(({ model }) => model)).toEqual(['text-embedding-3-small']);
  });

  test.skipIf(!hasRedisServer)('says where, if there are a folder and a Redis', async () => {
    const redis = await startRedis();
    try {
      const server = await start({ REDIS_URL: redis.url });
      await server.graphql(both);
      await expect.poll(() => cachedKeys(redis.client)).toBe(2);
      await stop(server);
      const env = { EMBEDQL_CACHE_DIR: dir, REDIS_URL: redis.url };
      const { stdout } = await runEmbedQL(['cache', 'stats', '--model', 'text-embedding-3-small'], env)
        .finished;
      expect(stdout).toMatch(/VALUES +IN\ntext-embedding-3-small .*disk\ntext-embedding-3-small .*Redis\n$/);
    } finally {
      await redis.stop();
    }
  });

  test('says which folder cannot be used', async () => {
    await writeFile(path.join(dir, 'vectors'), '');
    expect(await cli('cache', 'stats')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^EMBEDQL_CACHE_DIR: the folder cannot be used \(\w+\)/),
    });
  });
});

// What `disk-writer.mjs` writes.
const written = (text: string) => {
  const bytes = createHash('sha512').update(text).digest();
  return Float32Array.from({ length: 48 }, (_, i) => bytes[i % 64] ?? 0);
};
const keyOf = (text: string) => cacheKey('model', 'doc', text);

async function untilSaid(child: ChildProcess, pattern: RegExp): Promise<RegExpExecArray> {
  let said = '';
  for await (const chunk of child.stdout!) {
    said += chunk;
    const match = pattern.exec(said);
    if (match) {
      child.stdout!.resume();
      return match;
    }
  }
  throw new Error(`ended with ${said}`);
}

function startWriter(maxBytes: number, round: number, user = '-') {
  const script = fileURLToPath(new URL('../support/disk-writer.mjs', import.meta.url));
  const child = spawn(process.execPath, [script, dir, String(maxBytes), String(round), user]);
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    said += chunk;
  });
  return {
    child,
    said: () => said,
    /** The texts of whole lines that say that they are written. */
    texts: () =>
      said
        .split('\n')
        .slice(0, -1)
        .filter((line) => line.startsWith('written'))
        .flatMap((line) => JSON.parse(line.slice(8)) as string[]),
  };
}

async function open(maxBytes = 50_000_000, log: Log = silentLog): Promise<DiskTier> {
  const tier = new DiskTier({
    dir,
    maxBytes,
    ttlSeconds: 0,
    waitMs: 10_000,
    events: { cacheError: () => {} },
    log,
  });
  await tier.ready(10_000);
  return tier;
}

/** Reads texts. None is ever another than what was written. @returns those that are missing */
async function missing(tier: DiskTier, wanted: string[]): Promise<string[]> {
  const found: Array<StoredVector | undefined> = await tier.getMany(wanted.map(keyOf));
  for (const [i, stored] of found.entries())
    if (stored) expect(stored.vector, wanted[i]).toEqual(written(wanted[i]!));
  return wanted.filter((_, i) => !found[i]);
}

describe('a process that is killed', () => {
  test('200 times: what was written is there, and nothing is wrong', { timeout: 300_000 }, async () => {
    const all: string[] = [];
    for (let round = 0; round < 200; round++) {
      // Every other hundred in a folder that is so small that the oldest have to go all the time.
      const isSmall = round >= 100;
      if (round === 100) {
        await rm(path.join(dir, 'vectors'), { recursive: true });
        all.length = 0;
      }
      const maxBytes = isSmall ? 60_000 : 50_000_000;
      const writer = startWriter(maxBytes, round);
      while (!writer.said().includes('written')) await once(writer.child.stdout, 'data');
      await sleep(randomInt(40));
      writer.child.kill('SIGKILL');
      await once(writer.child, 'close');
      expect(writer.said()).not.toContain('warned');
      const now = writer.texts();
      all.push(...now);
      const tier = await open(maxBytes);
      expect(tier.healthy).toBe(true);
      expect(await missing(tier, isSmall ? now.slice(-50) : now)).toEqual([]);
      if (round % 25 === 24) {
        const lost = await missing(tier, all);
        if (!isSmall) expect(lost).toEqual([]);
      }
      await tier.close();
    }
  });

  const isRoot = process.getuid?.() === 0;
  test('a folder of another user makes one line', { timeout: 60_000 }, async () => {
    await mkdir(path.join(dir, 'vectors'), { mode: 0o700 });
    if (isRoot) await chown(dir, 0, 0);
    await chmod(dir, 0o500);
    const writer = startWriter(1_000_000, 0, isRoot ? '65534' : '-');
    if (!isRoot) await chmod(path.join(dir, 'vectors'), 0o500);
    await expect.poll(() => writer.said()).toContain('written');
    writer.child.kill('SIGKILL');
    await once(writer.child, 'close');
    expect(writer.said()).toMatch(/^warned The disk cache cannot be used.*"reason":"EACCES"/);
    expect(writer.said()).toContain('ready false');
    expect(writer.said().match(/warned/g)).toHaveLength(1);
    await chmod(dir, 0o700);
    await chmod(path.join(dir, 'vectors'), 0o700);
  });
});

describe('damage', () => {
  const many = texts(400);
  const folder = () => path.join(dir, 'vectors');

  async function fill(): Promise<string[]> {
    const tier = await open();
    for (let i = 0; i < many.length; i += 40) {
      tier.setMany(
        many
          .slice(i, i + 40)
          .map((text) => [keyOf(text), { vector: written(text), tokens: 1, truncated: false }]),
      );
      await tier.flush();
    }
    await tier.close();
    return (await readdir(folder())).sort();
  }

  /** Reads and writes everything in a folder that was damaged. @returns what was missing at first */
  async function survive(): Promise<string[]> {
    const log = keptLog();
    const tier = await open(50_000_000, log);
    expect(tier.healthy).toBe(true);
    const lost = await missing(tier, many);
    expect(log.lines.filter((line) => line.includes('damaged')).length).toBeLessThanOrEqual(2);
    tier.setMany(lost.map((text) => [keyOf(text), { vector: written(text), tokens: 1, truncated: false }]));
    await tier.close();
    const again = await open();
    expect(await missing(again, many)).toEqual([]);
    await again.close();
    return lost;
  }

  test('one byte in a thousand, anywhere, 50 times', async () => {
    for (let round = 0; round < 50; round++) {
      await rm(folder(), { recursive: true, force: true });
      for (const file of await fill()) {
        const bytes = await readFile(path.join(folder(), file));
        for (let i = 0; i < bytes.length / 1_000; i++) bytes[randomInt(bytes.length)]! ^= randomInt(1, 256);
        await writeFile(path.join(folder(), file), bytes);
      }
      await survive();
    }
  });

  test.each<[string, (file: string) => Promise<void>, lost: (n: number) => boolean]>([
    [
      'cut in the middle',
      async (file) => truncate(file, Math.floor((await readFile(file)).length / 2)),
      (n) => n < 400,
    ],
    ['cut to nothing', (file) => truncate(file, 0), (n) => n >= 0],
    [
      'full of zeros',
      async (file) => writeFile(file, Buffer.alloc((await readFile(file)).length)),
      (n) => n >= 0,
    ],
    [
      'without their listings',
      async (file) => (file.endsWith('.index') ? rm(file) : undefined),
      (n) => n === 0,
    ],
    [
      'without their vectors',
      async (file) => (file.endsWith('.vectors') ? rm(file) : undefined),
      (n) => n === 400,
    ],
    [
      'under other names',
      async (file) => writeFile(file.replace(/-\w+\./, '-00000000.'), await readFile(file)),
      (n) => n === 0,
    ],
  ])('files %s', async (_, spoil, isRight) => {
    for (const file of await fill()) await spoil(path.join(folder(), file));
    await writeFile(path.join(folder(), 'README'), 'not ours');
    const lost = await survive();
    expect(lost.length).toSatisfy(isRight);
    expect(await readFile(path.join(folder(), 'README'), 'utf8')).toBe('not ours');
  });

  test('a file in which nothing is left is set aside, and told of', async () => {
    for (const file of await fill()) await writeFile(path.join(folder(), file), Buffer.alloc(5_000));
    const log = keptLog();
    const tier = await open(50_000_000, log);
    expect((await readdir(folder())).filter((file) => file.endsWith('.damaged'))).toHaveLength(1);
    expect(log.lines.filter((line) => line.includes('damaged'))).toHaveLength(1);
    await tier.close();
  });
});

test('a sync that takes long keeps nothing from being written', async () => {
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const sync = vi.spyOn(AppendFile.prototype, 'sync').mockReturnValue(held);
  const tier = await open(2_000_000);
  for (let i = 0; sync.mock.calls.length === 0; i++) {
    tier.setMany([[keyOf(`before ${i}`), { vector: written(`before ${i}`), tokens: 1, truncated: false }]]);
    await tier.flush();
    await sleep(50);
  }
  // Enough to end several segments, too.
  const many = texts(2_000);
  tier.setMany(many.map((text) => [keyOf(text), { vector: written(text), tokens: 1, truncated: false }]));
  await tier.flush();
  expect(await missing(tier, many)).toEqual([]);
  release();
  await tier.close();
});

test('what is read goes on living when the oldest goes', async () => {
  const tier = await open(200_000);
  const put = async (asked: string[]) => {
    tier.setMany(asked.map((text) => [keyOf(text), { vector: written(text), tokens: 1, truncated: false }]));
    await tier.flush();
  };
  await put(['used', 'unused']);
  for (let i = 0; i < 200; i++) {
    await put(texts(10, `more ${i}`));
    expect(await missing(tier, ['used'])).toEqual([]);
  }
  expect(await missing(tier, ['unused'])).toEqual(['unused']);
  await tier.close();
});

test('diskCache() keeps for a program, in front of Redis or alone', async () => {
  const cache = await diskCache({ dir, maxBytes: 10_000_000, ttlSeconds: 0 }).open({ log: silentLog });
  cache.setMany([[keyOf('text'), { vector: written('text'), tokens: 3, truncated: true }]]);
  expect(cache.peek(keyOf('text'))?.tier).toBe('memory');
  await cache.close();
  const again = await diskCache({ dir, memory: false }).open({ log: silentLog });
  expect(await again.getMany([keyOf('text'), keyOf('other')])).toEqual([
    { vector: written('text'), tokens: 3, truncated: true, tier: 'disk' },
    undefined,
  ]);
  await again.close();
  expect(() => diskCache({ dir: '' })).toThrow(/dir/);
  expect(() => diskCache({ dir, maxBytes: 0 })).toThrow(/maxBytes/);
});
