import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Clock, systemClock } from '../../src/core/clock.ts';
import { attachBatches, type BatchCourse, type BatchServer } from '../support/batch-server.ts';
import { startEmbedQL, type TestServer } from '../support/embedql.ts';
import { ask, createJob, jobOver, resultsOf, seeJob, wrongWith } from '../support/jobs.ts';
import { serveEmbedQL } from '../support/processes.ts';
import { type ProviderServer, startProvider } from '../support/provider-server.ts';

let provider: ProviderServer;
let batches: BatchServer;
let folder: string;

beforeAll(async () => {
  provider = await startProvider();
  batches = attachBatches(provider);
});
beforeEach(async () => {
  provider.forget();
  provider.delayMs = 0;
  batches.forget();
  folder = await mkdtemp(path.join(tmpdir(), 'embedql-day-'));
});
afterAll(() => provider.close());

/** Jobs wait a fiftieth of what they would. */
const fast: Clock = { ...systemClock, after: (ms, work) => systemClock.after(ms / 50, work) };

async function withServer(
  env: Record<string, string>,
  run: (server: TestServer) => Promise<void>,
  clock = fast,
) {
  const settings = { ...provider.env, EMBEDQL_CACHE_DIR: folder, ...env };
  const server = await startEmbedQL(settings, undefined, undefined, { jobClock: clock });
  try {
    await run(server);
  } finally {
    await server.stop();
  }
}

const textsFrom = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => `text number ${from + i}`);
const halfPrice = (tokens: number) => (tokens * 0.00001) / 1_000;
const fullPrice = (tokens: number) => (tokens * 0.00002) / 1_000;
const day = (texts: readonly string[]) => ({ texts, deadline: 'DAY' });
const metrics = '{ metrics { totalCostUsd totalTokens totalEmbeddingsGenerated } }';

test('is bought at half the price: what is neither empty nor cached, each text once', () =>
  withServer({}, async (server) => {
    await ask(server, 'mutation ($texts: [String!]!) { embedBatch(texts: $texts) { dimension } }', {
      texts: textsFrom(0, 40),
    });
    const paidNow = provider.billedTokens();
    const calls = provider.calls.length;
    batches.course = () => ({ validating: 2, in_progress: 2, finalizing: 1, isShuffled: true });
    const texts = [...textsFrom(0, 200), '', ...textsFrom(100, 160), 'long '.repeat(9_000)];
    const { id } = await createJob(server, day(texts));
    const job = await jobOver(server, id);
    expect(job).toMatchObject({ status: 'DONE', done: texts.length, failed: 1, cached: 40 });
    expect(batches.batches).toHaveLength(1);
    expect(batches.billed()).toHaveLength(161);
    expect(provider.calls.length).toBe(calls);
    expect(job.costUsd).toBeCloseTo(halfPrice(batches.billedTokens()), 14);
    const lines = await resultsOf(server, job);
    const whole = lines.filter(({ error }) => !error).slice(0, -1);
    expect(
      wrongWith(
        whole.map((line, index) => ({ ...line, index })),
        texts.slice(0, -1).filter((text) => text !== ''),
      ),
    ).toEqual([]);
    const { data } = await ask(server, metrics);
    expect(data.metrics.totalCostUsd).toBeCloseTo(fullPrice(paidNow) + halfPrice(batches.billedTokens()), 12);
    expect(data.metrics.totalTokens).toBe(paidNow + batches.billedTokens());
    // What came back is cached like any answer.
    await ask(server, 'mutation ($texts: [String!]!) { embedBatch(texts: $texts) { dimension } }', {
      texts: textsFrom(100, 200),
    });
    expect(provider.calls.length).toBe(calls);
    // The provider is asked to delete its files.
    await sleep(200);
    expect([...batches.files.keys()]).toEqual([]);
  }));

const courses: Array<[name: string, course: (number: number) => BatchCourse, failed: number[]]> = [
  [
    'shuffled, doubled and missing lines',
    (n) => ({
      isShuffled: true,
      line: (_t, i) => (n === 0 && i % 7 === 0 ? 'missing' : i % 5 === 0 ? 'twice' : 'ok'),
    }),
    [],
  ],
  [
    'expired with a partial output',
    (n) => (n === 0 ? { ends: 'expired', line: (_t, i) => (i < 30 ? 'ok' : 'unfinished') } : {}),
    [],
  ],
  [
    'cancelled by somebody else',
    (n) => (n === 0 ? { ends: 'cancelled', line: (_t, i) => (i % 2 ? 'ok' : 'unfinished') } : {}),
    [],
  ],
  ['failed at once', (n) => (n === 0 ? { ends: 'failed' } : {}), []],
  ['lines that fail for a while', (n) => ({ line: (_t, i) => (n === 0 && i % 3 === 0 ? 500 : 'ok') }), []],
  ['lines that are refused', () => ({ line: (text) => (text === 'text number 5' ? 400 : 'ok') }), [5]],
];

test.each(courses)(
  '%s: the rest is bought again, nothing twice, and the price is half',
  (_name, course, failed) =>
    withServer({}, async (server) => {
      batches.course = course;
      const texts = textsFrom(0, 100);
      const { id } = await createJob(server, day(texts));
      const job = await jobOver(server, id);
      expect(job).toMatchObject({ status: 'DONE', done: 100, failed: failed.length });
      const billed = batches.billed();
      expect(new Set(billed).size).toBe(billed.length);
      expect(billed).toHaveLength(100 - failed.length);
      expect(provider.calls).toEqual([]);
      expect(job.costUsd).toBeCloseTo(halfPrice(batches.billedTokens()), 14);
      const lines = await resultsOf(server, job);
      expect(lines.flatMap(({ index, error }) => (error ? [index] : []))).toEqual(failed);
      expect(JSON.stringify(lines.filter(({ error }) => error))).not.toContain('bad:');
    }),
);

test('a provider that fails at every other call, before and after it has done what it was asked', () =>
  withServer({}, async (server) => {
    let faults = 0;
    batches.fault = (call, count) => {
      if (call.startsWith('DELETE') || count % 2 === 0 || faults > 14) return undefined;
      faults += 1;
      return ([500, 'before', 'after', 429, 503] as const)[faults % 5];
    };
    const texts = textsFrom(0, 300);
    const { id } = await createJob(server, day(texts));
    const job = await jobOver(server, id);
    expect(wrongWith(await resultsOf(server, job), texts)).toEqual([]);
    expect(batches.batches).toHaveLength(1);
    expect(job.costUsd).toBeCloseTo(halfPrice(batches.billedTokens()), 14);
    expect(faults).toBeGreaterThan(10);
  }));

test('a provider that takes no batches at all: in the end the texts are bought at once', () =>
  withServer({}, async (server) => {
    batches.fault = () => 400;
    const texts = textsFrom(0, 50);
    const { id } = await createJob(server, day(texts));
    const job = await jobOver(server, id);
    expect(wrongWith(await resultsOf(server, job), texts)).toEqual([]);
    expect(job.costUsd).toBeCloseTo(fullPrice(provider.billedTokens()), 14);
  }));

test('an interactive request meanwhile buys at once, and both are booked', () =>
  withServer({}, async (server) => {
    batches.course = () => ({ in_progress: 4 });
    const { id } = await createJob(server, day(textsFrom(0, 20)));
    while (batches.batches.length === 0) await sleep(5);
    const { data } = await ask(server, 'mutation { embed(text: "text number 7") { cost cached } }');
    expect(data.embed).toMatchObject({ cached: false });
    expect(data.embed.cost).toBeGreaterThan(0);
    const job = await jobOver(server, id);
    expect(job.costUsd).toBeCloseTo(halfPrice(batches.billedTokens()), 14);
    const seen = await ask(server, metrics);
    expect(seen.data.metrics.totalCostUsd).toBeCloseTo(data.embed.cost + job.costUsd, 14);
  }));

test('two jobs with the same texts buy them once', () =>
  withServer({}, async (server) => {
    batches.course = () => ({ in_progress: 3 });
    const first = await createJob(server, day(textsFrom(0, 60)));
    const second = await createJob(server, day(textsFrom(30, 90)));
    const jobs = [await jobOver(server, first.id), await jobOver(server, second.id)];
    expect(wrongWith(await resultsOf(server, jobs[0]!), textsFrom(0, 60))).toEqual([]);
    expect(wrongWith(await resultsOf(server, jobs[1]!), textsFrom(30, 90))).toEqual([]);
    const billed = batches.billed();
    expect(billed.length).toBe(90);
    expect(new Set(billed).size).toBe(90);
    expect(jobs[0]!.costUsd + jobs[1]!.costUsd).toBeCloseTo(halfPrice(batches.billedTokens()), 14);
  }));

test('a job that is cancelled takes what is paid, books it, and buys nothing more', () =>
  withServer({}, async (server) => {
    batches.course = () => ({ in_progress: 50 });
    const { id } = await createJob(server, day(textsFrom(0, 40)));
    while (batches.batches.length === 0) await sleep(5);
    const { data } = await ask(server, `mutation { cancelEmbeddingJob(id: "${id}") { status finishedAt } }`);
    expect(data.cancelEmbeddingJob).toEqual({ status: 'CANCELLED', finishedAt: null });
    const job = await jobOver(server, id);
    expect(job.status).toBe('CANCELLED');
    expect(batches.batches[0]!.status).toBe('cancelled');
    expect(batches.billed()).toHaveLength(20);
    expect(job.costUsd).toBeCloseTo(halfPrice(batches.billedTokens()), 14);
    const { data: cached } = await ask(
      server,
      'query ($texts: [String!]!) { estimate(texts: $texts) { cached } }',
      {
        texts: textsFrom(0, 40),
      },
    );
    expect(cached.estimate.cached).toBe(20);
    expect(batches.batches).toHaveLength(1);
  }));

test('a job whose texts are lost ends its batch, books what is paid, and fails', async () => {
  batches.course = () => ({ in_progress: 50 });
  let id = '';
  await withServer({}, async (server) => {
    ({ id } = await createJob(server, day(textsFrom(0, 40))));
    while (batches.batches.length === 0) await sleep(5);
    await sleep(100);
  });
  const blobs = path.join(folder, 'jobs', 'blobs');
  for (const name of await readdir(blobs)) if (name.endsWith('.texts')) await rm(path.join(blobs, name));
  await withServer({}, async (server) => {
    const job = await jobOver(server, id);
    expect(job.status).toBe('FAILED');
    expect(batches.batches[0]!.status).toBe('cancelled');
    expect(batches.billed()).toHaveLength(20);
    expect(job.costUsd).toBeCloseTo(halfPrice(batches.billedTokens()), 14);
    const { data } = await ask(server, metrics);
    expect(data.metrics.totalCostUsd).toBeCloseTo(job.costUsd, 14);
    await sleep(200);
    expect([...batches.files.keys()]).toEqual([]);
  });
});

test('its price is set aside at the price of batches', () =>
  withServer({ EMBEDQL_KEY_LIMITS: '*:0.0001usd/day' }, async (server) => {
    // 0.0001 USD are 10,000 tokens in batches, 5,000 else; a text has four or five.
    const texts = textsFrom(1_000, 2_700);
    await expect(createJob(server, { texts })).rejects.toMatchObject({ code: 'RATE_LIMITED' });
    const { id } = await createJob(server, day(texts));
    await expect(createJob(server, day(textsFrom(5_000, 6_700)))).rejects.toMatchObject({
      code: 'RATE_LIMITED',
    });
    const job = await jobOver(server, id);
    expect(job).toMatchObject({ status: 'DONE', failed: 0 });
    await expect(createJob(server, day(textsFrom(5_000, 6_700)))).rejects.toMatchObject({
      code: 'RATE_LIMITED',
    });
  }));

test('a model without batches does it at once, at its ordinary price', async () => {
  const { writeFile } = await import('node:fs/promises');
  const file = path.join(folder, 'models.json');
  const model = {
    name: 'other',
    provider: 'openai',
    id: 'text-embedding-3-small',
    dimension: 1_536,
    costPer1kTokens: 0.00002,
  };
  await writeFile(
    file,
    JSON.stringify({ models: [{ ...model, baseUrl: provider.url, apiKeyEnv: 'OPENAI_API_KEY' }] }),
  );
  await withServer({ EMBEDQL_MODELS_FILE: file }, async (server) => {
    const { id } = await createJob(server, { ...day(textsFrom(0, 10)), model: 'other' });
    const job = await jobOver(server, id);
    expect(job.costUsd).toBeCloseTo(fullPrice(provider.billedTokens()), 14);
    expect(batches.batches).toEqual([]);
  });
});

describe('killed with -9', { timeout: 180_000 }, () => {
  const started: Array<Awaited<ReturnType<typeof serveEmbedQL>>> = [];
  /** A server that does not outlive its test, whatever becomes of that. */
  const serve = async () => {
    const server = await serveEmbedQL(env());
    started.push(server);
    return server;
  };
  afterEach(() => {
    for (const { process } of started.splice(0)) process.kill('SIGKILL');
  });
  const texts = [...textsFrom(0, 150), ...textsFrom(50, 100)];
  const env = () => ({ ...provider.env, EMBEDQL_CACHE_DIR: folder, LOG_LEVEL: 'info' });

  /** Calls at which the server is killed: before and after the provider has heard of each. */
  const moments: Array<[call: string, when: 'before' | 'after', nth: number]> = [
    ['POST files', 'before', 1],
    ['POST files', 'after', 1],
    ['POST batches', 'before', 1],
    ['POST batches', 'after', 1],
    ['GET batches/id', 'before', 1],
    ['GET batches/id', 'after', 2],
    ['GET files/id/content', 'before', 1],
    ['GET files/id/content', 'after', 1],
    ['DELETE files/id', 'before', 1],
  ];

  test.each(moments)(
    'at %s (%s the provider has done it, call %i): nothing is paid twice, no line is missing',
    async (call, when, nth) => {
      let server = await serve();
      let seen = 0;
      let killed: Promise<unknown> | undefined;
      batches.course = () => ({ isShuffled: true, validating: 1, in_progress: 1 });
      batches.fault = (current) => {
        if (killed || current !== call) return undefined;
        seen += 1;
        if (seen < nth) return undefined;
        server.process.kill('SIGKILL');
        killed = server.finished;
        return when;
      };
      const { id } = await createJob(server, day(texts));
      while (!killed) await sleep(5);
      await killed;
      server = await serve();
      const job = await jobOver(server, id);
      expect(job).toMatchObject({ status: 'DONE', done: 200, failed: 0 });
      expect(wrongWith(await resultsOf(server, job), texts)).toEqual([]);
      const billed = batches.billed();
      expect([batches.batches.length, billed.length, new Set(billed).size]).toEqual([1, 150, 150]);
      expect(job.costUsd).toBeCloseTo(halfPrice(batches.billedTokens()), 14);
      expect(provider.calls).toEqual([]);
      server.process.kill('SIGTERM');
      await server.finished;
    },
  );

  test('while results are written, again and again', async () => {
    const many = textsFrom(0, 3_000);
    let server = await serve();
    const { id } = await createJob(server, { texts: many.slice(0, 2_000), deadline: 'DAY' });
    for (let kills = 0; kills < 4; kills++) {
      const job = await jobOver(
        server,
        id,
        undefined,
        ({ done, finishedAt }) => done > kills * 400 || finishedAt !== null,
      );
      if (job.finishedAt) break;
      server.process.kill('SIGKILL');
      await server.finished;
      server = await serve();
    }
    const job = await jobOver(server, id);
    expect(wrongWith(await resultsOf(server, job), many.slice(0, 2_000))).toEqual([]);
    expect([batches.batches.length, batches.billed().length, provider.calls.length]).toEqual([1, 2_000, 0]);
    expect(job.costUsd).toBeCloseTo(halfPrice(batches.billedTokens()), 12);
    const today = new Date().toISOString().slice(0, 10);
    const { data } = await ask(
      server,
      `{ spend(from: "2026-01-01", to: "${today}", groupBy: []) { texts computed tokens costUsd } }`,
    );
    expect(data.spend).toEqual([
      {
        texts: 2_000,
        computed: 2_000,
        tokens: batches.billedTokens(),
        costUsd: expect.closeTo(halfPrice(batches.billedTokens()), 12),
      },
    ]);
    server.process.kill('SIGTERM');
    await server.finished;
  });
});

test(
  '50,000 texts, 30 % of them duplicates and 20 % cached: exactly half of the price of the rest',
  { timeout: 300_000 },
  () =>
    withServer({ EMBEDQL_MAX_TEXTS: '60000', EMBEDQL_MEMORY_CACHE_MB: '512' }, async (server) => {
      const distinct = textsFrom(0, 35_000);
      const cached = distinct.slice(0, 7_000);
      for (let from = 0; from < cached.length; from += 2_000)
        await ask(server, 'mutation ($texts: [String!]!) { embedBatch(texts: $texts) { dimension } }', {
          texts: cached.slice(from, from + 2_000),
        });
      await server.app.services.cache.flush();
      provider.forget();
      batches.course = (n) =>
        n === 0
          ? {
              ends: 'expired',
              isShuffled: true,
              line: (_t, i) => (i % 10 === 0 ? 'unfinished' : i % 11 === 0 ? 'twice' : 'ok'),
            }
          : {};
      const texts = [...distinct, ...Array.from({ length: 15_000 }, (_, i) => distinct[(i * 7) % 35_000]!)];
      const estimate = await ask(
        server,
        'query ($texts: [String!]!) { estimate(texts: $texts) { distinct cached tokens costUsdWithinDay } }',
        { texts },
      );
      const { id } = await createJob(server, day(texts));
      const job = await jobOver(server, id);
      expect(job).toMatchObject({ status: 'DONE', total: 50_000, done: 50_000, failed: 0 });
      expect(provider.calls).toEqual([]);
      expect(batches.billed()).toHaveLength(28_000);
      expect(estimate.data.estimate).toMatchObject({
        distinct: 35_000,
        cached: 7_000,
        tokens: batches.billedTokens(),
      });
      expect(job.costUsd).toBe(halfPrice(batches.billedTokens()));
      expect(estimate.data.estimate.costUsdWithinDay).toBeCloseTo(job.costUsd, 12);
      const lines = await resultsOf(server, job);
      expect(wrongWith(lines, texts)).toEqual([]);
      expect((await seeJob(server, id))!.cached).toBeGreaterThanOrEqual(7_000);
    }),
);
