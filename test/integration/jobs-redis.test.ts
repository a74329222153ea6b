import { mkdtemp, readFile, rename } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { attachBatches, type BatchServer } from '../support/batch-server.ts';
import { startEmbedQL, type TestServer } from '../support/embedql.ts';
import { ask, createJob, jobOver, resultsOf, sendFile, wrongWith } from '../support/jobs.ts';
import { serveEmbedQL } from '../support/processes.ts';
import { type ProviderServer, startProvider } from '../support/provider-server.ts';
import { hasRedisServer, type RedisServer, startCluster, startRedis } from '../support/redis-server.ts';

describe.skipIf(!hasRedisServer)('jobs with Redis', () => {
  let redis: RedisServer;
  let provider: ProviderServer;
  let batches: BatchServer;

  beforeAll(async () => {
    [redis, provider] = await Promise.all([startRedis(), startProvider()]);
    batches = attachBatches(provider);
  });
  beforeEach(async () => {
    await redis.client.flushall();
    provider.forget();
    provider.delayMs = 0;
    batches.forget();
  });
  afterAll(() => Promise.all([redis.stop(), provider.close()]));

  const env = (more: Record<string, string> = {}) => ({
    ...provider.env,
    REDIS_URL: redis.url,
    EMBEDQL_JOB_SECRET: 'a long random text',
    ...more,
  });
  const textsFrom = (from: number, to: number) =>
    Array.from({ length: to - from }, (_, i) => `text number ${from + i}`);

  async function withServers(
    envs: Array<Record<string, string>>,
    run: (...servers: TestServer[]) => Promise<void>,
  ) {
    const servers = await Promise.all(envs.map((one) => startEmbedQL(one)));
    try {
      await run(...servers);
    } finally {
      await Promise.all(servers.map((server) => server.stop()));
    }
  }

  /** Everything that lies in Redis, as text. */
  async function everything(): Promise<string> {
    const found: string[] = [];
    for (const key of await redis.client.keys('*')) {
      found.push(key);
      const type = await redis.client.type(key);
      if (type === 'hash') found.push(JSON.stringify(await redis.client.hgetall(key)));
      if (type === 'string') found.push((await redis.client.get(key)) ?? '');
      if (type === 'set') found.push(...(await redis.client.smembers(key)));
      if (type === 'zset') found.push(...(await redis.client.zrange(key, '0', '-1')));
      if (type === 'list') found.push(...(await redis.client.lrange(key, 0, -1)));
    }
    return found.join('\n');
  }

  test('any replica takes a job, and any gives its state and results', () =>
    withServers([env(), env()], async (one, other) => {
      const texts = [...textsFrom(0, 400), '', ...textsFrom(0, 50)];
      const { id } = await createJob(one, { texts });
      const job = await jobOver(other, id);
      expect(job).toMatchObject({ status: 'DONE', done: 451, failed: 1 });
      const lines = (await resultsOf(other, job)).filter(({ error }) => !error);
      const full = texts.filter((text) => text !== '');
      expect(
        wrongWith(
          lines.map((line, index) => ({ ...line, index })),
          full,
        ),
      ).toEqual([]);
      const ranged = await fetch(new URL(job.resultUrl!, one.url), {
        headers: { range: 'bytes=100000-100099' },
      });
      expect([ranged.status, (await ranged.text()).length]).toEqual([206, 100]);
      const { data } = await ask(other, '{ embeddingJobs { id status } }');
      expect(data.embeddingJobs).toEqual([{ id, status: 'DONE' }]);
    }));

  test('two replicas share the work of ten jobs, and nothing is paid twice', () =>
    withServers([env(), env()], async (one, other) => {
      provider.delayMs = 50;
      const jobs = await Promise.all(
        Array.from({ length: 10 }, (_, i) => createJob(one, { texts: textsFrom(i * 300, i * 300 + 400) })),
      );
      for (const [i, { id }] of jobs.entries()) {
        const job = await jobOver(other, id);
        expect(wrongWith(await resultsOf(one, job), textsFrom(i * 300, i * 300 + 400))).toEqual([]);
      }
      const sent = provider.calls.flatMap(({ input }) => input);
      expect(sent.length).toBe(new Set(sent).size);
      const worked = await Promise.all(
        [one, other].map(
          async (server) =>
            (await ask(server, '{ metrics { totalEmbeddingsGenerated } }')).data.metrics
              .totalEmbeddingsGenerated,
        ),
      );
      expect(worked.reduce((a, b) => a + b, 0)).toBe(3_100);
      expect(Math.min(...worked)).toBeGreaterThan(500);
    }));

  test('a job of a replica that was killed goes on elsewhere within 20 seconds', {
    timeout: 90_000,
  }, async () => {
    provider.delayMs = 100;
    const settings = env({ EMBEDQL_PROVIDER_CONCURRENCY: '2' });
    const first = await serveEmbedQL({ ...settings, LOG_LEVEL: 'info' });
    const texts = textsFrom(0, 3_000);
    const { id } = await createJob(first, { texts });
    await jobOver(first, id, undefined, ({ done }) => done >= 300);
    await withServers([settings], async (second) => {
      first.process.kill('SIGKILL');
      await first.finished;
      const before = (await ask(second, `{ embeddingJob(id: "${id}") { done } }`)).data.embeddingJob
        .done as number;
      const killed = performance.now();
      await jobOver(second, id, undefined, ({ done }) => done > before);
      // The promise is 20 s; that it goes on at all is what must not hang on a busy machine.
      expect(performance.now() - killed).toBeLessThan(60_000);
      provider.delayMs = 0;
      const job = await jobOver(second, id);
      expect(wrongWith(await resultsOf(second, job), texts)).toEqual([]);
    });
  });

  test('texts and files never stand in Redis in the clear, and texts are gone when their job ends', () =>
    withServers([env()], async (server) => {
      provider.delayMs = 500;
      const { body } = await sendFile(server, '"a secret sentence"\n"another secret"', {
        name: 'private.jsonl',
      });
      const { id } = await createJob(server, { file: body.id });
      const { id: inline } = await createJob(server, { texts: ['a third secret'] });
      expect(await everything()).toContain(id);
      expect(await everything()).not.toMatch(/secret/);
      await jobOver(server, inline);
      const job = await jobOver(server, id);
      expect(wrongWith(await resultsOf(server, job), ['a secret sentence', 'another secret'])).toEqual([]);
      await sleep(200);
      expect((await redis.client.keys('*.texts*')).length).toBe(0);
      for (const key of await redis.client.keys('*'))
        expect([key, /^(embed:v2:|\{embedql\}:)/.test(key)]).toEqual([key, true]);
    }));

  test('a file that was sent to one replica is read on another', () =>
    withServers([env(), env()], async (one, other) => {
      const lines = Array.from({ length: 30_000 }, (_, i) =>
        JSON.stringify(`line ${i} ${'x'.repeat(60)}`),
      ).join('\n');
      const { body } = await sendFile(one, lines);
      const response = await fetch(`${other.url}/v1/files/${body.id}/content`);
      expect(await response.text()).toBe(lines);
      expect((await fetch(`${other.url}/v1/files/${body.id}`, { method: 'DELETE' })).status).toBe(200);
      expect((await fetch(`${one.url}/v1/files/${body.id}`)).status).toBe(404);
    }));

  test('without a secret texts stay in the folder of the replica that took them', async () => {
    const folders = await Promise.all([1, 2].map(() => mkdtemp(path.join(tmpdir(), 'embedql-home-'))));
    const [one, other] = folders.map((EMBEDQL_CACHE_DIR) =>
      env({ EMBEDQL_JOB_SECRET: '', EMBEDQL_CACHE_DIR }),
    );
    let unfinished = '';
    await withServers([one!, other!], async (first, second) => {
      const { id } = await createJob(first, { texts: textsFrom(0, 200) });
      const job = await jobOver(second, id);
      expect(wrongWith(await resultsOf(second, job), textsFrom(0, 200))).toEqual([]);
      const { body } = await sendFile(first, '"a"');
      await expect(createJob(second, { file: body.id })).rejects.toMatchObject({
        message: expect.stringContaining('EMBEDQL_JOB_SECRET'),
      });
      await createJob(first, { file: body.id });
      provider.delayMs = 100;
      ({ id: unfinished } = await createJob(first, { texts: textsFrom(1_000, 3_000) }));
    });
    provider.delayMs = 0;
    await withServers([other!], async (second) => {
      await sleep(500);
      expect(
        (await ask(second, `{ embeddingJob(id: "${unfinished}") { status } }`)).data.embeddingJob.status,
      ).not.toBe('DONE');
    });
    await withServers([one!], async (first) => {
      expect(await jobOver(first, unfinished)).toMatchObject({ status: 'DONE', failed: 0 });
    });
  });

  test('jobs whose folder is away for a while go on once it is back', { timeout: 90_000 }, async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'embedql-away-'));
    const texts = path.join(folder, 'job-texts');
    const settings = env({ EMBEDQL_JOB_SECRET: '', EMBEDQL_CACHE_DIR: folder });
    await withServers([settings], async (server) => {
      provider.delayMs = 300;
      const ids: string[] = [];
      for (let i = 0; i < 4; i++)
        ids.push((await createJob(server, { texts: textsFrom(i * 1_000, i * 1_000 + 600) })).id);
      await rename(texts, `${texts}-elsewhere`);
      await sleep(3_000);
      await rename(`${texts}-elsewhere`, texts);
      provider.delayMs = 0;
      for (const id of ids) expect(await jobOver(server, id)).toMatchObject({ status: 'DONE', failed: 0 });
    });
  });

  test('a Redis that may evict what it has refuses jobs, and another one for the state takes them', async () => {
    const evicting = await startRedis(['--maxmemory', '100mb', '--maxmemory-policy', 'allkeys-lru']);
    try {
      await withServers([env({ REDIS_URL: evicting.url })], async (server) => {
        await expect(createJob(server, { texts: ['a'] })).rejects.toMatchObject({
          message: expect.stringMatching(/allkeys-lru.*EMBEDQL_STATE_REDIS_URL/),
        });
      });
      await withServers(
        [env({ REDIS_URL: evicting.url, EMBEDQL_STATE_REDIS_URL: redis.url })],
        async (server) => {
          const { id } = await createJob(server, { texts: ['a'] });
          expect(await jobOver(server, id)).toMatchObject({ status: 'DONE' });
          expect(await evicting.client.keys('{embedql}:jobs*')).toEqual([]);
        },
      );
    } finally {
      await evicting.stop();
    }
  });

  test('what is set aside for a job is set aside on every replica', () =>
    withServers(
      [1, 2].map(() => env({ EMBEDQL_KEY_LIMITS: '*:0.0001usd/day' })),
      async (one, other) => {
        provider.delayMs = 300;
        const { id } = await createJob(one, { texts: textsFrom(1_000, 1_900) });
        await expect(createJob(other, { texts: textsFrom(3_000, 3_900) })).rejects.toMatchObject({
          code: 'RATE_LIMITED',
        });
        expect(await jobOver(other, id)).toMatchObject({ status: 'DONE', failed: 0 });
        await expect(createJob(other, { texts: textsFrom(3_000, 3_900) })).rejects.toMatchObject({
          code: 'RATE_LIMITED',
        });
        const { id: again } = await createJob(one, { texts: textsFrom(6_000, 6_100) });
        expect(await jobOver(one, again)).toMatchObject({ status: 'DONE', failed: 0 });
      },
    ));

  test('DAY: a replica is killed while its batch runs, another one takes the results', {
    timeout: 90_000,
  }, async () => {
    batches.course = () => ({ in_progress: 3 });
    const first = await serveEmbedQL(env({ LOG_LEVEL: 'info' }));
    const { id } = await createJob(first, { texts: textsFrom(0, 120), deadline: 'DAY' });
    while (batches.batches.length === 0) await sleep(10);
    first.process.kill('SIGKILL');
    await first.finished;
    await withServers([env()], async (second) => {
      const job = await jobOver(second, id);
      expect(wrongWith(await resultsOf(second, job), textsFrom(0, 120))).toEqual([]);
      expect([batches.batches.length, batches.billed().length, provider.calls.length]).toEqual([1, 120, 0]);
      expect(job.costUsd).toBeCloseTo((batches.billedTokens() * 0.00001) / 1_000, 14);
    });
  });

  test('jobs wait for a Redis that is away, and go on once it is back', { timeout: 90_000 }, () =>
    withServers([env()], async (server) => {
      provider.delayMs = 50;
      const { id } = await createJob(server, { texts: textsFrom(0, 1_500) });
      await jobOver(server, id, undefined, ({ done }) => done > 0);
      redis.signal('SIGSTOP');
      await sleep(3_000);
      redis.signal('SIGCONT');
      const job = await jobOver(server, id);
      expect(wrongWith(await resultsOf(server, job), textsFrom(0, 1_500))).toEqual([]);
    }),
  );

  test('while Redis is away, whoever asks for a job is told to come back', async () => {
    const own = await startRedis();
    await withServers([env({ REDIS_URL: own.url })], async (server) => {
      const { id } = await createJob(server, { texts: ['a text'] });
      await jobOver(server, id);
      const { body: file } = await sendFile(server, '"a"');
      await own.stop();
      for (const query of [
        `{ embeddingJob(id: "${id}") { id } }`,
        '{ embeddingJobs { id } }',
        `mutation { cancelEmbeddingJob(id: "${id}") { id } }`,
        'mutation { createEmbeddingJob(input: { texts: ["another"] }) { id } }',
      ]) {
        const { errors } = await ask(server, query);
        expect(errors?.[0]?.extensions).toMatchObject({ code: 'OVERLOADED', retryable: true });
      }
      const form = new FormData();
      form.append('file', new Blob(['"a"']), 'texts.jsonl');
      const batch = { input_file_id: file.id, endpoint: '/v1/embeddings', completion_window: '24h' };
      const post = (body: BodyInit): RequestInit => ({ method: 'POST', body });
      for (const [at, init] of [
        ['files', post(form)],
        ['files', {}],
        [`files/${file.id}`, {}],
        [`files/${file.id}/content`, {}],
        [`files/${file.id}`, { method: 'DELETE' }],
        [`files/file-${id.slice(4)}-results/content`, {}],
        ['batches', post(JSON.stringify(batch))],
        ['batches', {}],
        [`batches/batch_${id.slice(4)}`, {}],
        [`batches/batch_${id.slice(4)}/cancel`, post('')],
      ] as const) {
        const response = await fetch(`${server.url}/v1/${at}`, init);
        expect([at, init.method, response.status]).toEqual([at, init.method, 503]);
        expect(response.headers.get('retry-after')).toBe('1');
        expect(await response.json()).toMatchObject({ error: { code: 'overloaded' } });
      }
    });
  });

  test('a job whose texts are gone fails and says what to do', async () => {
    for (const deadline of ['NOW', 'DAY']) {
      let id = '';
      let batch = '';
      provider.delayMs = 200;
      await withServers([env()], async (server) => {
        ({ id } = await createJob(server, { texts: textsFrom(0, 3_000), deadline }));
        await jobOver(server, id, undefined, ({ status }) => status === 'RUNNING');
        const line = JSON.stringify({
          custom_id: 'a',
          method: 'POST',
          url: '/v1/embeddings',
          body: { model: 'text-embedding-3-small', input: ['a', 'b'] },
        });
        const { body } = await sendFile(server, line);
        const request = { input_file_id: body.id, endpoint: '/v1/embeddings', completion_window: '24h' };
        const response = await fetch(`${server.url}/v1/batches`, {
          method: 'POST',
          body: JSON.stringify(request),
        });
        batch = ((await response.json()) as { id: string }).id;
      });
      await redis.client.del(...(await redis.client.keys('{embedql}:jobs:blob:*.texts')));
      provider.delayMs = 0;
      await withServers([env()], async (server) => {
        const job = await jobOver(server, id);
        expect(job.status).toBe('FAILED');
        expect(job.failure).toMatch(/gone.* Send it again/);
        await jobOver(server, batch.replace('batch_', 'job_'));
        const list = await fetch(`${server.url}/v1/batches`);
        expect(await list.json()).toMatchObject({ data: [{ id: batch }] });
      });
      await redis.client.flushall();
    }
  });

  test('a replica with another secret refuses jobs and leaves those of others alone', {
    timeout: 90_000,
  }, async () => {
    const other = env({ EMBEDQL_JOB_SECRET: 'another secret' });
    const refusal = { code: 'OVERLOADED', message: expect.stringContaining('EMBEDQL_JOB_SECRET') };
    const ids: string[] = [];
    // It may have been there before anything was encrypted, and may come later.
    await withServers([env(), other], async (server, early) => {
      provider.delayMs = 300;
      for (let i = 0; i < 6; i++)
        ids.push((await createJob(server, { texts: textsFrom(i * 1_000, i * 1_000 + 500) })).id);
      await expect(createJob(early, { texts: ['a'] })).rejects.toMatchObject(refusal);
      await withServers([other], async (late) => {
        await expect(createJob(late, { texts: ['a'] })).rejects.toMatchObject(refusal);
        const { data } = await ask(late, '{ health { status problems } }');
        expect(data.health).toEqual({ status: 'DEGRADED', problems: [refusal.message] });
        await sleep(1_000);
      });
    });
    await withServers([other], async (alone) => {
      await expect(createJob(alone, { texts: ['a'] })).rejects.toMatchObject(refusal);
      await sleep(1_000);
    });
    provider.delayMs = 0;
    await withServers([env()], async (server) => {
      for (const id of ids) expect(await jobOver(server, id)).toMatchObject({ status: 'DONE', failed: 0 });
    });
    // What the manual says of a new secret.
    await redis.client.del('{embedql}:jobs:check');
    await withServers([other], async (renewed) => {
      const { id } = await createJob(renewed, { texts: ['a'] });
      expect(await jobOver(renewed, id)).toMatchObject({ status: 'DONE', failed: 0 });
    });
  });

  test('in a cluster, of which one node is named', { timeout: 90_000 }, async () => {
    const cluster = await startCluster();
    try {
      const settings = env({ REDIS_URL: cluster.nodes[1]!.url });
      await withServers([settings, settings], async (one, other) => {
        const { body } = await sendFile(
          one,
          textsFrom(0, 300)
            .map((text) => JSON.stringify(text))
            .join('\n'),
        );
        const jobs = [
          await createJob(one, { file: body.id }),
          await createJob(other, { texts: textsFrom(200, 500), deadline: 'DAY' }),
        ];
        expect(
          wrongWith(await resultsOf(other, await jobOver(other, jobs[0]!.id)), textsFrom(0, 300)),
        ).toEqual([]);
        expect(wrongWith(await resultsOf(one, await jobOver(one, jobs[1]!.id)), textsFrom(200, 500))).toEqual(
          [],
        );
      });
    } finally {
      await cluster.stop();
    }
  });

  test('a Redis user with the rights of the manual is enough', async () => {
    const manual = await readFile(new URL('../../docs/jobs.md', import.meta.url), 'utf8');
    const [, rights = ''] = /^ACL SETUSER embedql on >\S+ (.+)$/m.exec(manual) ?? [];
    await redis.client.call('ACL', 'SETUSER', 'jobs', 'on', '>right', ...rights.split(' '));
    const url = redis.url.replace('redis://', 'redis://jobs:right@');
    await withServers([env({ REDIS_URL: url })], async (server) => {
      const { id } = await createJob(server, { texts: textsFrom(0, 50), deadline: 'DAY' });
      const { body } = await sendFile(server, '"a"');
      const { id: second } = await createJob(server, { file: body.id });
      for (const one of [id, second])
        expect(await jobOver(server, one)).toMatchObject({ status: 'DONE', failed: 0 });
    });
    const denied = (await redis.client.call('ACL', 'LOG')) as unknown[];
    expect(denied).toEqual([]);
  });
});
