import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { forServing, linkRedis } from '../../src/cache/redis/connect.ts';
import { silentLog } from '../../src/core/surroundings.ts';
import { DiskBooks } from '../../src/ledger/disk-books.ts';
import { Ledger } from '../../src/ledger/ledger.ts';
import { RedisBooks } from '../../src/ledger/redis-books.ts';
import { startEmbedQL, type TestServer } from '../support/embedql.ts';
import { runEmbedQL, serveEmbedQL } from '../support/processes.ts';
import { type ProviderServer, startProvider } from '../support/provider-server.ts';
import { hasRedisServer, type RedisServer, startCluster, startRedis } from '../support/redis-server.ts';

interface SpendRow {
  day: string | null;
  model: string | null;
  key: string | null;
  tag: string | null;
  texts: number;
  hits: number;
  computed: number;
  tokens: number;
  costUsd: number;
  costSavedUsd: number;
  lostSeconds: number;
  lossy: boolean;
}

const today = () => new Date().toISOString().slice(0, 10);
const fields = 'day model key tag texts hits computed tokens costUsd costSavedUsd lostSeconds lossy';
const price = 0.00002 / 1_000;

let provider: ProviderServer;
const servers: TestServer[] = [];

beforeAll(async () => {
  provider = await startProvider();
});
beforeEach(() => provider.forget());
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.stop()));
});
afterAll(() => provider.close());

async function start(env: Record<string, string> = {}): Promise<TestServer> {
  const server = await startEmbedQL({ ...provider.env, ...env });
  servers.push(server);
  return server;
}

async function spend(server: { url: string }, groupBy = '[]', key?: string): Promise<SpendRow[]> {
  const response = await fetch(`${server.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(key ? { authorization: `Bearer ${key}` } : {}) },
    body: JSON.stringify({
      query: `{ spend(from: "2026-01-01", to: "${today()}", groupBy: ${groupBy}) { ${fields} } }`,
    }),
  });
  const { data, errors } = (await response.json()) as { data: { spend: SpendRow[] }; errors?: unknown };
  expect(errors).toBeUndefined();
  return data.spend;
}

function embed(
  server: { url: string },
  texts: string[],
  headers: Record<string, string> = {},
): Promise<Response> {
  return fetch(`${server.url}/v1/embeddings`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ model: 'text-embedding-3-small', input: texts }),
  });
}

const texts = (name: string, count = 10) => Array.from({ length: count }, (_, i) => `${name} ${i}`);

describe('spend over GraphQL', () => {
  test('is what the provider charged, by key and tag, over every door', async () => {
    const server = await start({ EMBEDQL_API_KEYS: 'web:one,batch:two', EMBEDQL_ADMIN_KEYS: 'ops:three' });
    const web = { authorization: 'Bearer one', 'x-embedql-tag': ' Suche für Bücher ' };
    await embed(server, texts('a'), {
      ...web,
      'x-embedql-tag': Buffer.from('Suche für Bücher').toString('latin1'),
    });
    await embed(server, texts('a'), web);
    await server.graphql(
      'mutation { x: embed(text: "b 1") { cached } y: embed(text: "b 1") { cached } }',
      {},
      { headers: { authorization: 'Bearer two' } },
    );
    const list = await server.post(
      [
        { query: 'mutation { embed(text: "c 1") { cached } }' },
        { query: '{ similarity(a: "c 1", b: "c 2") }' },
      ],
      { headers: { authorization: 'Bearer two', 'x-embedql-tag': 'x'.repeat(100) } },
    );
    expect(list.status).toBe(200);
    const stream = await server.post(
      { query: 'subscription { embedStream(texts: ["d 1", "d 2"]) { done } }' },
      { headers: { authorization: 'Bearer two', accept: 'text/event-stream', 'x-embedql-tag': 'stream' } },
    );
    await stream.text();
    const all = await spend(server, '[KEY, TAG]', 'three');
    expect(all.map(({ key, tag, texts, hits, computed }) => [key, tag, texts, hits, computed])).toEqual([
      ['batch', null, 1, 0, 1],
      ['batch', 'stream', 2, 0, 2],
      ['batch', 'x'.repeat(64), 3, 0, 2],
      ['web', 'Suche für Bücher', 20, 10, 10],
    ]);
    const tokens = all.reduce((sum, row) => sum + row.tokens, 0);
    expect(tokens).toBe(provider.billedTokens());
    const [total] = await spend(server, '[]', 'three');
    expect(total).toMatchObject({ tokens, lossy: true, lostSeconds: 0 });
    expect(total!.costUsd).toBeCloseTo(tokens * price, 15);
    // A key sees its own; one whose name is not asked for, too.
    expect(await spend(server, '[]', 'one')).toMatchObject([{ texts: 20, key: null }]);
    expect(await spend(server, '[KEY]', 'two')).toMatchObject([{ key: 'batch', texts: 6 }]);
  });

  test('without admin keys an API key sees its own alone, although it may reset the metrics', async () => {
    const server = await start({ EMBEDQL_API_KEYS: 'web:one,batch:two' });
    await embed(server, ['one'], { authorization: 'Bearer one' });
    await embed(server, ['one', 'two'], { authorization: 'Bearer two' });
    const reset = await server.graphql(
      'mutation { resetMetrics { status } }',
      {},
      { headers: { authorization: 'Bearer one' } },
    );
    expect(reset.errors).toBeUndefined();
    expect(await spend(server, '[]', 'one')).toMatchObject([{ texts: 1 }]);
    expect(await spend(server, '[]', 'two')).toMatchObject([{ texts: 2 }]);
  });

  test('names the argument that is wrong, and groups by day where nothing is said', async () => {
    const server = await start();
    await embed(server, ['one']);
    const ask = (args: string) => server.graphql(`{ spend(${args}) { day texts } }`);
    expect((await ask(`from: "${today()}", to: "${today()}"`)).data.spend).toEqual([
      { day: today(), texts: 1 },
    ]);
    expect((await ask('from: "2026-13-01", to: "2026-01-01"')).errors?.[0]).toMatchObject({
      message: expect.stringMatching(/^from /),
      extensions: { code: 'BAD_USER_INPUT' },
    });
    expect((await ask('from: "2026-01-02", to: "2026-01-01"')).errors?.[0]).toMatchObject({
      message: expect.stringMatching(/^to /),
      extensions: { code: 'BAD_USER_INPUT' },
    });
    expect(
      (await ask('from: "2026-01-02", to: "2026-01-03", groupBy: [HOUR]')).errors?.[0]?.extensions['code'],
    ).toBe('BAD_USER_INPUT');
  });
});

describe('the ledger on a disk', () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(path.join(tmpdir(), 'books-test-'));
  });
  afterEach(async () => {
    // What is still open would make the folder again.
    await Promise.all(servers.splice(0).map((server) => server.stop()));
    await rm(dir, { recursive: true, force: true });
  });
  const env = () => ({ EMBEDQL_CACHE_DIR: dir });
  const books = async () =>
    (await readdir(path.join(dir, 'ledger'))).filter((name) => name.endsWith('.book'));

  test('outlives restarts, and two processes on one folder keep their books beside each other', async () => {
    const first = await start(env());
    const second = await start(env());
    await embed(first, texts('a'));
    await embed(second, texts('b'));
    await sleep(1_200);
    expect(await spend(first)).toMatchObject([{ texts: 20, lossy: false, lostSeconds: 0 }]);
    await Promise.all(servers.splice(0).map((server) => server.stop()));
    const third = await start(env());
    await embed(third, texts('a'));
    const [row] = await spend(third);
    expect(row).toMatchObject({
      texts: 30,
      hits: 10,
      lossy: false,
      lostSeconds: 0,
      tokens: provider.billedTokens(),
    });
    expect(row!.costSavedUsd).toBeGreaterThan(0);
  });

  test('kill -9 costs what was booked in the last second at the most, and is counted', async () => {
    const server = await serveEmbedQL({ ...provider.env, ...env() });
    await embed(server, texts('a'));
    await sleep(1_200);
    server.process.kill('SIGKILL');
    await server.finished;
    const next = await start(env());
    const [row] = await spend(next);
    expect(row).toMatchObject({ texts: 10, tokens: provider.billedTokens() });
    await expect
      .poll(async () => (await spend(next))[0]!.lostSeconds, { timeout: 30_000, interval: 1_000 })
      .toBe(1);
  }, 60_000);

  test('a book that is damaged costs itself, is told, and is begun afresh; a damaged cache costs no book', async () => {
    const first = await start(env());
    await embed(first, texts('a'));
    await sleep(1_200);
    await embed(first, texts('b'));
    await servers.pop()!.stop();
    const file = path.join(dir, 'ledger', (await books())[0]!);
    const bytes = await readFile(file);
    bytes[40]! ^= 0xff;
    await writeFile(file, bytes);
    for (const name of await readdir(path.join(dir, 'vectors')))
      if (name.endsWith('.vectors')) await writeFile(path.join(dir, 'vectors', name), 'nothing');
    const second = await start(env());
    await embed(second, texts('c'));
    // Each record says what a row comes to: the one that is left has all of it.
    expect(await spend(second)).toMatchObject([{ texts: 30, tokens: provider.billedTokens(), lossy: true }]);
    const rubbish = path.join(dir, 'ledger', `${today()}.${'0'.repeat(16)}.book`);
    await writeFile(rubbish, Buffer.alloc(10_000, 0xe3));
    expect(await spend(second)).toMatchObject([{ texts: 30, lossy: true }]);
  });

  test('embedql spend reads them as a table and as CSV, while a server writes', async () => {
    const server = await start({ ...env(), EMBEDQL_API_KEYS: 'web:one' });
    await embed(server, texts('a'), { authorization: 'Bearer one', 'x-embedql-tag': '=1+1,"x"' });
    await sleep(1_200);
    const shown = await runEmbedQL(['spend', '--by', 'model,key'], { ...env() }).finished;
    expect(shown).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^MODEL +KEY +TEXTS.*\ntext-embedding-3-small +web +10 /),
    });
    const csv = await runEmbedQL(['spend', '--from', today(), '--to', today(), '--by', 'day,tag', '--csv'], {
      ...env(),
    }).finished;
    expect(csv.stdout).toMatch(
      /^day,tag,texts,hits,computed,tokens,tokens_estimated,cost_usd,cost_saved_usd,lost_seconds,lossy\n/,
    );
    expect(csv.stdout.split('\n')[1]).toMatch(new RegExp(`^${today()},"'=1\\+1,""x""",10,0,10,`));
    const wrong = await runEmbedQL(['spend', '--by', 'modle'], { ...env() }).finished;
    expect(wrong).toMatchObject({ code: 1, stderr: expect.stringMatching(/did you mean model/i) });
    const nowhere = await runEmbedQL(['spend'], {}).finished;
    expect(nowhere).toMatchObject({ code: 1, stderr: expect.stringMatching(/EMBEDQL_CACHE_DIR/) });
  });
});

describe.skipIf(!hasRedisServer)('the ledger in Redis', () => {
  let redis: RedisServer;
  beforeEach(async () => {
    redis = await startRedis();
  });
  afterEach(() => redis.stop());
  const env = () => ({ EMBEDQL_STATE_REDIS_URL: redis.url });
  const book = () => `{embedql}:ledger:${today()}`;

  test('adds replicas up, over restarts', async () => {
    const [a, b] = [await start(env()), await start(env())];
    await Promise.all([embed(a, texts('a')), embed(b, texts('b')), embed(b, texts('a'))]);
    await servers.shift()!.stop();
    await sleep(1_200);
    expect(await spend(b)).toMatchObject([
      { texts: 30, tokens: provider.billedTokens(), lossy: false, lostSeconds: 0 },
    ]);
    const c = await start(env());
    await embed(c, texts('c'));
    expect(await spend(c)).toMatchObject([{ texts: 40, tokens: provider.billedTokens() }]);
  });

  test('a write whose answer is lost is counted once', async () => {
    const server = await start(env());
    await embed(server, texts('a'));
    await server.app.services.ledger.flush();
    // Redis hears everything and says nothing: each write fails here, and is repeated.
    await redis.client.client('PAUSE', 2_500, 'ALL');
    await embed(server, texts('b'));
    await sleep(4_000);
    expect(await spend(server)).toMatchObject([{ texts: 20, tokens: provider.billedTokens(), lossy: false }]);
    expect(await redis.client.ttl(book())).toBeGreaterThan(399 * 86_400);
  }, 20_000);

  test('a Redis that has lost everything learns it again; one that holds something else is written over', async () => {
    const server = await start(env());
    await embed(server, texts('a'));
    await spend(server);
    await redis.client.flushall();
    await embed(server, texts('b'));
    expect(await spend(server)).toMatchObject([{ texts: 20, tokens: provider.billedTokens() }]);
    await redis.client.flushall();
    await redis.client.set(book(), 'a string');
    await redis.client.hset(
      '{embedql}:ledger:2026-01-02',
      '1:["m","k",""]',
      'many',
      '1:rubbish',
      '5',
      'x',
      'y',
    );
    await redis.client.set('{embedql}:ledger:2026-01-03', 'a string');
    await embed(server, texts('c'));
    expect(await spend(server)).toMatchObject([{ texts: 30, tokens: provider.billedTokens(), lossy: true }]);
  });

  test('while Redis is away spend is what this process knows, at once; later all of it is there', async () => {
    const server = await start(env());
    await embed(server, texts('a'));
    await spend(server);
    redis.signal('SIGSTOP');
    await embed(server, texts('b'));
    expect(await spend(server)).toMatchObject([{ texts: 20, lossy: true }]);
    redis.signal('SIGCONT');
    await expect.poll(() => spend(server), { timeout: 10_000 }).toMatchObject([{ texts: 20, lossy: false }]);
  }, 20_000);

  test('one that evicts is told, and spend is lossy', async () => {
    await redis.client.config('SET', 'maxmemory-policy', 'allkeys-lru');
    const server = await start(env());
    await embed(server, texts('a'));
    expect(await spend(server)).toMatchObject([{ texts: 10, lossy: true }]);
    await redis.client.config('SET', 'maxmemory-policy', 'noeviction');
    const other = await start(env());
    expect(await spend(other)).toMatchObject([{ texts: 10, lossy: false }]);
  });

  test('works in a cluster, too', async () => {
    const cluster = await startCluster();
    try {
      const [a, b] = [await start({ REDIS_URL: cluster.urls }), await start({ REDIS_URL: cluster.urls })];
      await Promise.all([embed(a, texts('a')), embed(b, texts('b'))]);
      await a.app.services.ledger.flush();
      expect(await spend(b)).toMatchObject([{ texts: 20, tokens: provider.billedTokens(), lossy: false }]);
      await Promise.all(servers.splice(0).map((server) => server.stop()));
    } finally {
      await cluster.stop();
    }
  }, 60_000);

  test('what a process that was killed may have taken with it is counted', async () => {
    const server = await serveEmbedQL({ ...provider.env, ...env() });
    await embed(server, texts('a'));
    await sleep(1_200);
    server.process.kill('SIGKILL');
    await server.finished;
    const next = await start(env());
    await expect
      .poll(async () => (await spend(next))[0]!.lostSeconds, { timeout: 30_000, interval: 1_000 })
      .toBe(1);
    expect(await spend(next)).toMatchObject([{ texts: 10, tokens: provider.billedTokens() }]);
  }, 60_000);
});

describe.each(['a disk', ...(hasRedisServer ? ['Redis'] : [])])(
  'what batches of a job brought, on %s',
  (place) => {
    test('is found again, whichever process has booked it, and is part of all that was spent', async () => {
      const folder = await mkdtemp(path.join(tmpdir(), 'embedql-booked-'));
      const redis = place === 'Redis' ? await startRedis() : undefined;
      const time = { now: Date.now() - 4 * 86_400_000 };
      const now = () => time.now;
      const began = time.now;
      const open = () => {
        const store = redis
          ? new RedisBooks(linkRedis([redis.url], forServing), { now, waitMs: 5_000 })
          : new DiskBooks(folder, silentLog, now);
        return new Ledger({ store, now });
      };
      const book = (ledger: Ledger, job: string | undefined, tokens: number) => {
        const account = ledger.account('web', 'nightly', job);
        account.asked('m', 1);
        account.charged(tokens / 1_000, tokens, 'm');
      };
      try {
        const first = open();
        book(first, 'job_a', 3);
        book(first, 'job_b', 100);
        book(first, undefined, 1_000);
        await first.close();
        const killed = open();
        book(killed, 'job_a', 4);
        expect(await killed.bookedOf('job_a', began)).toEqual({ texts: 2, tokens: 7 });
        // By now the books of that day are put together.
        time.now += 4 * 86_400_000;
        const last = open();
        book(last, 'job_a', 5);
        await last.flush();
        await sleep(200);
        expect(await last.bookedOf('job_a', began)).toEqual({ texts: 3, tokens: 12 });
        expect(await last.bookedOf('job_c', began)).toEqual({ texts: 0, tokens: 0 });
        const day = (ms: number) => new Date(ms).toISOString().slice(0, 10);
        expect(await last.spend({ from: day(began), to: day(time.now), groupBy: ['TAG'] })).toMatchObject([
          { tag: 'nightly', texts: 5, computed: 5, tokens: 1_112, costUsd: 1.112 },
        ]);
        await Promise.all([killed.close(), last.close()]);
      } finally {
        await redis?.stop();
      }
    });
  },
);
