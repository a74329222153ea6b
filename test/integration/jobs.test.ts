import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { encode } from 'gpt-tokenizer/encoding/cl100k_base';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { runCli } from '../../src/cli/cli.ts';
import { startEmbedQL, type TestServer } from '../support/embedql.ts';
import {
  ask,
  createJob,
  jobFields,
  jobOver,
  linesOf,
  resultsOf,
  seeJob,
  sendFile,
  wrongWith,
} from '../support/jobs.ts';
import { serveEmbedQL } from '../support/processes.ts';
import { type ProviderServer, sendFailure, startProvider } from '../support/provider-server.ts';

let provider: ProviderServer;
let folder: string;

beforeAll(async () => {
  provider = await startProvider();
});
beforeEach(async () => {
  provider.forget();
  provider.delayMs = 0;
  folder = await mkdtemp(path.join(tmpdir(), 'embedql-jobs-'));
});
afterAll(() => provider.close());

async function withServer(env: Record<string, string>, run: (server: TestServer) => Promise<void>) {
  const server = await startEmbedQL({ ...provider.env, EMBEDQL_CACHE_DIR: folder, ...env });
  try {
    await run(server);
  } finally {
    await server.stop();
  }
}

const textsFrom = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => `text number ${from + i}`);
const price = (tokens: number) => (tokens * 0.00002) / 1_000;

async function everythingIn(dir: string): Promise<string> {
  const files = (await readdir(dir, { recursive: true, withFileTypes: true })).filter((file) =>
    file.isFile(),
  );
  const contents = await Promise.all(
    files.map((file) => readFile(path.join(file.parentPath, file.name), 'latin1')),
  );
  return contents.join('\n');
}

describe('a job', () => {
  test('gives each text its own vector in its own place, and pays each text once', () =>
    withServer({}, async (server) => {
      await ask(server, 'mutation { embed(text: "text number 7") { cost } }');
      provider.forget();
      const texts = [
        ...textsFrom(0, 300),
        '',
        ...textsFrom(100, 250),
        ' ',
        'long '.repeat(9_000),
        'half \ud800',
      ];
      const created = await createJob(server, { texts });
      expect(created).toMatchObject({ total: texts.length, model: 'text-embedding-3-small' });
      const job = await jobOver(server, created.id);
      expect(job).toMatchObject({ status: 'DONE', done: texts.length, failed: 2 });
      expect(job.cached).toBeGreaterThanOrEqual(1);
      expect(job.costUsd).toBeCloseTo(price(provider.billedTokens()), 12);
      const lines = await resultsOf(server, job);
      const failed = lines.filter(({ error }) => error);
      expect(failed.map(({ index, error }) => [index, error!.code])).toEqual([
        [300, 'BAD_USER_INPUT'],
        [451, 'BAD_USER_INPUT'],
      ]);
      const full = lines.filter(({ error, index }) => !error && index !== 452);
      expect(lines.map(({ index }) => index)).toEqual([...texts.keys()]);
      expect(
        wrongWith(
          full.map((line, index) => ({ ...line, index })),
          full.map(({ index }) => texts[index]!.toWellFormed()),
        ),
      ).toEqual([]);
      expect(lines.reduce((sum, { tokens = 0 }) => sum + tokens, 0)).toBe(job.tokens);
      const sent = provider.calls.flatMap(({ input }) => input);
      expect(new Set(sent).size).toBe(sent.length);
      expect(sent).toHaveLength(301);
    }));

  test('shortens vectors, and knows other models', () =>
    withServer({}, async (server) => {
      const { id } = await createJob(server, {
        texts: ['cat', 'dog'],
        model: 'text-embedding-3-large',
        dimensions: 256,
        kind: 'QUERY',
        deadline: 'NOW',
      });
      const lines = await resultsOf(server, await jobOver(server, id));
      expect(lines.map(({ embeddingBase64 }) => Buffer.from(embeddingBase64!, 'base64').length)).toEqual([
        1_024, 1_024,
      ]);
    }));

  test('may have more texts than an operation, and no more than a job', () =>
    withServer({ EMBEDQL_MAX_TEXTS: '10', EMBEDQL_MAX_JOB_TEXTS: '50' }, async (server) => {
      const { id } = await createJob(server, { texts: textsFrom(0, 50) });
      expect(await jobOver(server, id)).toMatchObject({ status: 'DONE', failed: 0 });
      const calls = provider.calls.length;
      await expect(createJob(server, { texts: textsFrom(0, 51) })).rejects.toMatchObject({
        code: 'COST_LIMIT_EXCEEDED',
        message: expect.stringContaining('51'),
      });
      const { body } = await sendFile(
        server,
        textsFrom(0, 51)
          .map((text) => JSON.stringify(text))
          .join('\n'),
      );
      await expect(createJob(server, { file: body.id })).rejects.toMatchObject({
        code: 'COST_LIMIT_EXCEEDED',
        message: expect.stringContaining('EMBEDQL_MAX_JOB_TEXTS'),
      });
      expect(provider.calls.length).toBe(calls);
      const jobs = await ask(server, '{ embeddingJobs { id } }');
      expect(jobs.data.embeddingJobs).toHaveLength(1);
    }));

  test('reads long texts in pieces where their average is asked for: the vectors that embed gives, each piece paid once', () =>
    withServer({}, async (server) => {
      const long = (subject: string) =>
        Array.from({ length: 1_500 }, (_, i) => `Sentence ${i} tells of the ${subject} number ${i}.`).join(
          ' ',
        );
      const texts = ['short', long('cat'), '', long('dog'), long('cat')];
      const { id } = await createJob(server, { texts, longText: 'AVERAGE' });
      const job = await jobOver(server, id);
      expect(job).toMatchObject({ status: 'DONE', done: 5, failed: 1 });
      const sent = provider.calls.flatMap(({ input }) => input);
      expect(sent.length).toBeGreaterThan(4);
      expect(new Set(sent).size).toBe(sent.length);
      expect(job.costUsd).toBeCloseTo(price(provider.billedTokens()), 12);
      const lines = await resultsOf(server, job);
      for (const i of [0, 1, 3, 4]) {
        const { data } = await ask(
          server,
          'mutation ($text: String!) { embed(text: $text, longText: AVERAGE) { embeddingBase64 tokens cached } }',
          { text: texts[i] },
        );
        expect(lines[i]).toEqual({
          index: i,
          embeddingBase64: data.embed.embeddingBase64,
          tokens: data.embed.tokens,
        });
        expect(data.embed.cached).toBe(true);
      }
      // An edit at the end pays for what it has changed, and for no more.
      const billed = provider.billedTokens();
      const edited = await createJob(server, { texts: [`${texts[1]} The end.`], longText: 'AVERAGE' });
      const { costUsd, tokens } = await jobOver(server, edited.id);
      expect(costUsd).toBeCloseTo(price(provider.billedTokens() - billed), 12);
      expect(costUsd).toBeGreaterThan(0);
      expect(costUsd).toBeLessThan(price(tokens));
    }));

  test('refuses long texts one by one where it is told to', () =>
    withServer({}, async (server) => {
      const { id } = await createJob(server, {
        texts: ['a', 'long '.repeat(9_000), 'b'],
        longText: 'REFUSE',
      });
      const job = await jobOver(server, id);
      expect(job).toMatchObject({ status: 'DONE', done: 3, failed: 1 });
      const lines = await resultsOf(server, job);
      expect(lines.map(({ error }) => error?.code)).toEqual([undefined, 'TEXT_TOO_LONG', undefined]);
    }));

  test('counts pieces as texts, and sets money aside for them, before anything is sent', () =>
    withServer(
      {
        EMBEDQL_MAX_JOB_TEXTS: '20',
        EMBEDQL_API_KEYS: 'web:key-web',
        EMBEDQL_KEY_LIMITS: 'web:0.001usd/day',
      },
      async (server) => {
        const tokens = (count: number) =>
          Array.from({ length: count / 6 }, (_, i) => `A cat purrs ${i}.`).join(' ');
        await expect(
          createJob(server, { texts: ['a', tokens(240_000)], longText: 'AVERAGE' }, 'key-web'),
        ).rejects.toMatchObject({ code: 'COST_LIMIT_EXCEEDED', message: expect.stringContaining('pieces') });
        await expect(
          createJob(server, { texts: [tokens(60_000)], longText: 'AVERAGE' }, 'key-web'),
        ).rejects.toMatchObject({ code: 'RATE_LIMITED' });
        expect(provider.calls).toHaveLength(0);
        expect(await everythingIn(path.join(folder, 'jobs', 'blobs')).catch(() => '')).toBe('');
        const { id } = await createJob(server, { texts: [tokens(20_000)], longText: 'AVERAGE' }, 'key-web');
        expect(await jobOver(server, id, 'key-web')).toMatchObject({ status: 'DONE', failed: 0 });
      },
    ));

  test.each([
    [{}, 'BAD_USER_INPUT'],
    [{ texts: [] }, 'BAD_USER_INPUT'],
    [{ texts: ['a'], file: 'file-1' }, 'BAD_USER_INPUT'],
    [{ file: 'file-0123456789abcdef01234567' }, 'BAD_USER_INPUT'],
    [{ file: '../../etc/passwd' }, 'BAD_USER_INPUT'],
    [{ texts: ['a'], model: 'nothing' }, 'MODEL_NOT_FOUND'],
    [{ texts: ['a'], dimensions: 99_999 }, 'BAD_USER_INPUT'],
  ])('%j is refused', (input, code) =>
    withServer({}, async (server) => {
      await expect(createJob(server, input)).rejects.toMatchObject({ code });
      expect(await everythingIn(path.join(folder, 'jobs', 'blobs')).catch(() => '')).toBe('');
    }),
  );

  test('a model without its key refuses it before anything is kept', () =>
    withServer({ OPENAI_API_KEY: '', EMBEDQL_DEFAULT_MODEL: 'text-embedding-3-small' }, async (server) => {
      await expect(createJob(server, { texts: ['a'] })).rejects.toMatchObject({
        code: 'PROVIDER_NOT_CONFIGURED',
      });
    }));

  test('a text that the provider refuses is an error in its line; one that passes later is tried again', () =>
    withServer({ EMBEDQL_PROVIDER_RETRIES: '0' }, async (server) => {
      let failures = 0;
      provider.misbehave = (_call, response) => {
        failures += 1;
        if (failures > 3) return false;
        sendFailure(response, 503);
        return true;
      };
      const texts = [...textsFrom(0, 20), `poison ${provider.poison}`, ...textsFrom(20, 30)];
      const { id } = await createJob(server, { texts });
      expect(await jobOver(server, id)).toMatchObject({ status: 'DONE', done: 31, failed: 1 });
      const lines = await resultsOf(server, (await seeJob(server, id))!);
      expect(lines[20]).toEqual({
        index: 20,
        error: { code: 'PROVIDER_ERROR', message: expect.any(String) },
      });
      expect(lines[20]!.error!.message).not.toContain('poison');
      expect(lines.filter(({ error }) => error)).toHaveLength(1);
    }));

  test('is gone on with after the server was killed, wherever that was: no line is missing, hardly any text paid twice', async () => {
    const texts = textsFrom(0, 2_500);
    provider.delayMs = 20;
    const env = {
      ...provider.env,
      EMBEDQL_CACHE_DIR: folder,
      LOG_LEVEL: 'error',
      EMBEDQL_PROVIDER_CONCURRENCY: '2',
      EMBEDQL_MAX_TEXTS: '5000',
    };
    let id: string | undefined;
    let server = await serve(env);
    for (let kills = 0; ; kills++) {
      id ??= (await createJob(server, { texts })).id;
      const seen = await jobOver(
        server,
        id,
        undefined,
        (job) => job.finishedAt !== null || job.done > kills * 350,
      );
      if (seen.finishedAt) break;
      server.process.kill('SIGKILL');
      await server.finished;
      server = await serve(env);
    }
    const job = await jobOver(server, id);
    expect(job).toMatchObject({ status: 'DONE', done: 2_500, failed: 0 });
    expect(wrongWith(await resultsOf(server, job), texts)).toEqual([]);
    const sent = provider.calls.flatMap(({ input }) => input);
    // What was on its way when the process died was answered to nobody.
    expect(sent.length - new Set(sent).size).toBeLessThanOrEqual(8 * 2 * 100);
    server.process.kill('SIGTERM');
    await server.finished;
  });

  test('goes on after an ordinary stop without paying anything twice', async () => {
    const texts = textsFrom(0, 1_500);
    provider.delayMs = 30;
    let id = '';
    await withServer({ EMBEDQL_PROVIDER_CONCURRENCY: '2' }, async (server) => {
      ({ id } = await createJob(server, { texts }));
      await jobOver(server, id, undefined, ({ done }) => done > 200);
    });
    await withServer({}, async (server) => {
      const job = await jobOver(server, id);
      expect(wrongWith(await resultsOf(server, job), texts)).toEqual([]);
      expect(job.costUsd).toBeLessThanOrEqual(price(provider.billedTokens()) + 1e-12);
    });
    const sent = provider.calls.flatMap(({ input }) => input);
    expect(sent.length).toBe(new Set(sent).size);
  });

  test.each(['NOW', 'DAY'])('%s: whose texts were deleted under it fails, and says so', async (deadline) => {
    const ids: string[] = [];
    provider.delayMs = 300;
    await withServer({}, async (server) => {
      for (let i = 0; i < 2; i++)
        ids.push((await createJob(server, { texts: textsFrom(i * 2_000, i * 2_000 + 2_000), deadline })).id);
      for (const id of ids) await jobOver(server, id, undefined, ({ status }) => status === 'RUNNING');
    });
    for (const id of ids) await rm(path.join(folder, 'jobs', 'blobs', `${id}.texts`));
    await withServer({}, async (server) => {
      for (const id of ids)
        expect(await jobOver(server, id)).toMatchObject({
          status: 'FAILED',
          failure: expect.stringContaining('Send it again'),
        });
    });
  });

  test('texts are deleted when it ends, and are in no record', () =>
    withServer({}, async (server) => {
      provider.delayMs = 300;
      const { id } = await createJob(server, { texts: ['a secret sentence', 'another secret'] });
      expect(await everythingIn(path.join(folder, 'jobs', 'blobs'))).toContain('a secret sentence');
      await jobOver(server, id);
      await sleep(100);
      expect(await everythingIn(folder)).not.toContain('secret');
    }));

  test('can be cancelled: what is complete is kept, what was not sent is not paid', () =>
    withServer({ EMBEDQL_PROVIDER_CONCURRENCY: '2' }, async (server) => {
      provider.delayMs = 30;
      const { id } = await createJob(server, { texts: textsFrom(0, 2_000) });
      await jobOver(server, id, undefined, ({ done }) => done >= 200);
      const { data } = await ask(
        server,
        `mutation ($id: ID!) { cancelEmbeddingJob(id: $id) { ${jobFields} } }`,
        { id },
      );
      expect(data.cancelEmbeddingJob.status).toBe('CANCELLED');
      const job = await jobOver(server, id);
      expect(job).toMatchObject({ status: 'CANCELLED', total: 2_000 });
      expect(job.done).toBeLessThan(2_000);
      expect(wrongWith(await resultsOf(server, job), textsFrom(0, job.done))).toEqual([]);
      const calls = provider.calls.length;
      await sleep(200);
      expect(provider.calls.length).toBe(calls);
      const again = await ask(server, 'mutation ($id: ID!) { cancelEmbeddingJob(id: $id) { status } }', {
        id,
      });
      expect(again.data.cancelEmbeddingJob.status).toBe('CANCELLED');
      const none = await ask(server, 'mutation { cancelEmbeddingJob(id: "job_none") { status } }');
      expect(none.errors![0]!.extensions['code']).toBe('BAD_USER_INPUT');
    }));

  test('tells its progress until its end', () =>
    withServer({ EMBEDQL_PROVIDER_CONCURRENCY: '2' }, async (server) => {
      provider.delayMs = 100;
      const { id } = await createJob(server, { texts: textsFrom(0, 900) });
      const query = `subscription ($id: ID!) { embeddingJobProgress(id: $id) { status done total } }`;
      const response = await server.post(
        { query, variables: { id } },
        { headers: { accept: 'text/event-stream' } },
      );
      const text = await response.text();
      const events = [...text.matchAll(/^data: (\{.*)$/gm)].map(
        ([, data]) => JSON.parse(data!).data.embeddingJobProgress as { status: string; done: number },
      );
      expect(events.length).toBeGreaterThan(2);
      expect(events.at(-1)).toEqual({ status: 'DONE', done: 900, total: 900 });
      expect(events.map(({ done }) => done)).toEqual(
        events.map(({ done }) => done).toSorted((a, b) => a - b),
      );
    }));

  test('is off where its texts have no place, with a message that names both', async () => {
    await withServer({ EMBEDQL_CACHE_DIR: '' }, async (server) => {
      await expect(createJob(server, { texts: ['a'] })).rejects.toMatchObject({
        message: expect.stringMatching(/EMBEDQL_CACHE_DIR.*EMBEDQL_JOB_SECRET/),
      });
      // To ask for a list is no fault.
      expect(await ask(server, '{ embeddingJobs { id } }')).toEqual({ data: { embeddingJobs: [] } });
      expect((await sendFile(server, '"a"')).status).toBe(400);
    });
  });

  test('a folder that another process has is told, and taken over once that has ended', async () => {
    const first = await startEmbedQL({ ...provider.env, EMBEDQL_CACHE_DIR: folder });
    await withServer({}, async (second) => {
      await expect(createJob(second, { texts: ['a'] })).rejects.toMatchObject({ code: 'OVERLOADED' });
      await first.stop();
      const { id } = await createJob(second, { texts: ['a'] });
      expect(await jobOver(second, id)).toMatchObject({ status: 'DONE' });
    });
  });
});

async function serve(env: Record<string, string>) {
  return serveEmbedQL({ ...env, LOG_LEVEL: 'info' });
}

describe('results', () => {
  test('can be read while the job runs, up to where they are complete, and gone on with', () =>
    withServer({ EMBEDQL_PROVIDER_CONCURRENCY: '2' }, async (server) => {
      provider.delayMs = 60;
      const texts = textsFrom(0, 1_000);
      const created = await createJob(server, { texts });
      const url = new URL(created.resultUrl!, server.url);
      const empty = await fetch(url);
      expect([empty.status, empty.headers.get('x-embedql-complete'), await empty.text()]).toEqual([
        200,
        'false',
        '',
      ]);
      let got = '';
      for (;;) {
        const response = await fetch(url, { headers: { range: `bytes=${got.length}-` } });
        const complete = response.headers.get('x-embedql-complete') === 'true';
        if (response.status === 416) {
          await response.text();
          if (complete) break;
          await sleep(30);
          continue;
        }
        expect(response.status).toBe(206);
        const more = await response.text();
        expect(response.headers.get('content-range')).toMatch(
          new RegExp(`^bytes ${got.length}-${got.length + more.length - 1}/`),
        );
        expect(more.endsWith('\n')).toBe(true);
        got += more;
      }
      expect(wrongWith(linesOf(got), texts)).toEqual([]);
      const whole = await (await fetch(url)).text();
      expect(whole).toBe(got);
      const part = await fetch(url, { headers: { range: 'bytes=10-19' } });
      expect([part.status, part.headers.get('content-range'), await part.text()]).toEqual([
        206,
        `bytes 10-19/${whole.length}`,
        whole.slice(10, 20),
      ]);
      const last = await fetch(url, { headers: { range: 'bytes=-7' } });
      expect(await last.text()).toBe(whole.slice(-7));
      for (const range of ['bytes=5-2', 'bytes=-', 'lines=1-2', 'bytes=1-2,4-5'])
        expect([range, (await fetch(url, { headers: { range } })).status]).toEqual([range, 200]);
    }));

  test('expire, and their job with them', async () => {
    await withServer({ EMBEDQL_JOB_DAYS: '1' }, async (server) => {
      const { id } = await createJob(server, { texts: ['a'] });
      const job = await jobOver(server, id);
      const { now } = Date;
      try {
        Date.now = () => now() + 86_400_001;
        expect(await seeJob(server, id)).toMatchObject({ status: 'EXPIRED', resultUrl: null });
        expect((await fetch(new URL(job.resultUrl!, server.url))).status).toBe(404);
      } finally {
        Date.now = now;
      }
    });
  });
});

describe('keys', () => {
  const env = {
    EMBEDQL_API_KEYS: 'web:key-web,batch:key-batch',
    EMBEDQL_ADMIN_KEYS: 'ops:key-ops',
    EMBEDQL_KEY_LIMITS: 'web:100/min,batch:0.0001usd/day',
  };

  test('see their own jobs and files, and an admin key everybody’s', () =>
    withServer(env, async (server) => {
      const job = await createJob(server, { texts: ['a'] }, 'key-web');
      await jobOver(server, job.id, 'key-web');
      const { body: file } = await sendFile(server, '"a"', { key: 'key-web' });
      for (const [key, sees] of [
        ['key-web', true],
        ['key-batch', false],
        ['key-ops', true],
      ] as const) {
        expect([key, (await seeJob(server, job.id, key)) !== null]).toEqual([key, sees]);
        const { data } = await ask(server, '{ embeddingJobs { id } }', {}, key);
        expect(data.embeddingJobs).toHaveLength(sees ? 1 : 0);
        const headers = { authorization: `Bearer ${key}` };
        const status = async (at: string) => (await fetch(new URL(at, server.url), { headers })).status;
        expect(await status(job.resultUrl!)).toBe(sees ? 200 : 404);
        expect(await status(`/v1/files/${file.id}/content`)).toBe(sees ? 200 : 404);
        const cancelled = await ask(
          server,
          `mutation { cancelEmbeddingJob(id: "${job.id}") { id } }`,
          {},
          key,
        );
        expect(cancelled.errors === undefined).toBe(sees);
      }
      await expect(createJob(server, { file: file.id }, 'key-batch')).rejects.toMatchObject({
        code: 'BAD_USER_INPUT',
      });
      expect((await fetch(new URL(job.resultUrl!, server.url))).status).toBe(401);
    }));

  test('have their limits: texts of a minute, and money that is set aside before anything runs', () =>
    withServer(env, async (server) => {
      await expect(createJob(server, { texts: textsFrom(0, 101) }, 'key-web')).rejects.toMatchObject({
        code: 'COST_LIMIT_EXCEEDED',
      });
      await createJob(server, { texts: textsFrom(0, 60) }, 'key-web');
      await expect(createJob(server, { texts: textsFrom(0, 60) }, 'key-web')).rejects.toMatchObject({
        code: 'RATE_LIMITED',
      });
      // 0.0001 USD are 5,000 tokens; a text has four or so.
      provider.delayMs = 200;
      const big = textsFrom(1_000, 2_600);
      await expect(createJob(server, { texts: big }, 'key-batch')).rejects.toMatchObject({
        code: 'RATE_LIMITED',
      });
      const first = await createJob(server, { texts: textsFrom(1_000, 1_900) }, 'key-batch');
      await expect(createJob(server, { texts: textsFrom(2_000, 2_900) }, 'key-batch')).rejects.toMatchObject({
        code: 'RATE_LIMITED',
      });
      expect(await jobOver(server, first.id, 'key-batch')).toMatchObject({ status: 'DONE', failed: 0 });
      expect(first.costUsd).toBe(0);
      // What is cached costs nothing.
      const cached = await createJob(server, { texts: textsFrom(1_000, 1_900) }, 'key-batch');
      expect(await jobOver(server, cached.id, 'key-batch')).toMatchObject({
        status: 'DONE',
        cached: 900,
        costUsd: 0,
      });
      const ordinary = await ask(
        server,
        'mutation ($texts: [String!]!) { embedBatch(texts: $texts) { failures { code } } }',
        { texts: textsFrom(5_000, 5_600) },
        'key-batch',
      );
      expect(ordinary.data.embedBatch.failures.length).toBeGreaterThan(0);
    }));

  test('get back what a cancelled job did not spend', () =>
    withServer(env, async (server) => {
      provider.delayMs = 100;
      const texts = textsFrom(0, 1_000);
      const { id } = await createJob(server, { texts }, 'key-batch');
      await expect(createJob(server, { texts: textsFrom(2_000, 2_900) }, 'key-batch')).rejects.toThrow();
      await ask(server, `mutation { cancelEmbeddingJob(id: "${id}") { id } }`, {}, 'key-batch');
      await jobOver(server, id, 'key-batch');
      const { id: next } = await createJob(server, { texts: texts.slice(900) }, 'key-batch');
      expect(await jobOver(server, next, 'key-batch')).toMatchObject({ status: 'DONE', failed: 0 });
    }));
});

describe('files', () => {
  const texts = ['cat', 'a "quoted" dog', '東京 🐈‍⬛', 'cat'];
  const formats: Record<string, string> = {
    strings: texts.map((text) => JSON.stringify(text)).join('\n'),
    objects: texts.map((text) => JSON.stringify({ id: 1, text })).join('\r\n'),
    'batch lines': texts
      .map((input, i) =>
        JSON.stringify({
          custom_id: `request-${i}`,
          method: 'POST',
          url: '/v1/embeddings',
          body: { model: 'text-embedding-3-small', input },
        }),
      )
      .join('\n'),
    'batch lines with lists': JSON.stringify({
      custom_id: 'a',
      body: { model: 'text-embedding-3-small', input: texts },
    }),
    'blank lines and a byte order mark': `\uFEFF${texts.map((text) => JSON.stringify(text)).join('\n\n')}\n\n`,
  };

  test.each(Object.keys(formats))('of %s become jobs', (format) =>
    withServer({}, async (server) => {
      const { status, body } = await sendFile(server, formats[format]!);
      expect(status).toBe(200);
      expect(body).toMatchObject({
        object: 'file',
        bytes: Buffer.byteLength(formats[format]!),
        filename: 'texts.jsonl',
        purpose: 'batch',
      });
      const { id } = await createJob(server, { file: body.id });
      const job = await jobOver(server, id);
      expect(job).toMatchObject({ status: 'DONE', total: 4, failed: 0 });
      expect(wrongWith(await resultsOf(server, job), texts)).toEqual([]);
    }),
  );

  test('of token lists stand for their texts', () =>
    withServer({}, async (server) => {
      const { body } = await sendFile(
        server,
        JSON.stringify({ body: { input: ['cat', 'dog'].map((text) => encode(text)) } }),
      );
      const { id } = await createJob(server, { file: body.id });
      expect(wrongWith(await resultsOf(server, await jobOver(server, id)), ['cat', 'dog'])).toEqual([]);
    }));

  test.each([
    ['nonsense', /Line 1 is not JSON/],
    ['"a"\n{"txt": "a secret"}', /Line 2 is none of these/],
    ['"a"\n7', /Line 2/],
    ['{"body": {"input": 7}}', /Line 1 has a "body"/],
    [
      '{"body": {"model": "text-embedding-3-small", "input": "a"}}\n{"body": {"model": "other", "input": "b"}}',
      /Line 2 names another model/,
    ],
    ['', /no lines|no texts/],
    ['\n\n', /no lines|no texts/],
  ])('of %j are refused when a job is made of them', (content, message) =>
    withServer({}, async (server) => {
      const { body } = await sendFile(server, content);
      const refused = createJob(server, { file: body.id });
      await expect(refused).rejects.toMatchObject({
        code: 'BAD_USER_INPUT',
        message: expect.stringMatching(message),
      });
      await expect(refused).rejects.not.toMatchObject({ message: expect.stringContaining('secret') });
      expect(provider.calls).toEqual([]);
    }),
  );

  test('with a line that is larger than a request are refused by its number, as jobs and as batches', () =>
    withServer({ EMBEDQL_MAX_BODY_BYTES: '500000' }, async (server) => {
      const line = (input: unknown) =>
        JSON.stringify({
          custom_id: `id-${typeof input}`,
          method: 'POST',
          url: '/v1/embeddings',
          body: { input },
        });
      for (const [large, message] of [
        [line(['x'.repeat(500_000)]), /^Line 2 has more than 500000 bytes.*EMBEDQL_MAX_BODY_BYTES\.$/],
        [line(new Array(100_000).fill([1])), /^Line 2 has more lists.*EMBEDQL_MAX_BODY_BYTES\.$/],
      ] as const) {
        const { body } = await sendFile(server, `${line('a')}\n${large}`);
        await expect(createJob(server, { file: body.id })).rejects.toThrow(message);
        const response = await fetch(`${server.url}/v1/batches`, {
          method: 'POST',
          body: JSON.stringify({
            input_file_id: body.id,
            endpoint: '/v1/embeddings',
            completion_window: '24h',
          }),
        });
        expect(response.status).toBe(400);
        expect(await response.json()).toMatchObject({ error: { message: expect.stringMatching(message) } });
      }
      expect(provider.calls).toEqual([]);
    }));

  test('are listed, read and deleted', () =>
    withServer({}, async (server) => {
      const ids: string[] = [];
      for (let i = 0; i < 5; i++) ids.unshift((await sendFile(server, `"${i}"`)).body.id);
      const get = async (at: string, init?: RequestInit) => {
        const response = await fetch(`${server.url}/v1/files${at}`, init);
        return { status: response.status, body: (await response.json()) as Record<string, unknown> };
      };
      const first = await get('?limit=2');
      expect(first.body).toMatchObject({ object: 'list', has_more: true, last_id: ids[1] });
      const rest = await get(`?after=${ids[1]}`);
      expect((rest.body['data'] as Array<{ id: string }>).map(({ id }) => id)).toEqual(ids.slice(2));
      expect((await get('?purpose=other')).body['data']).toEqual([]);
      expect((await get('?limit=0')).status).toBe(400);
      expect((await get(`/${ids[0]}`)).body).toMatchObject({ id: ids[0], bytes: 3 });
      expect(await (await fetch(`${server.url}/v1/files/${ids[0]}/content`)).text()).toBe('"4"');
      expect((await get(`/${ids[0]}`, { method: 'DELETE' })).body).toEqual({
        id: ids[0],
        object: 'file',
        deleted: true,
      });
      expect((await get(`/${ids[0]}`)).status).toBe(404);
      expect((await get('/nothing/content/more')).status).toBe(404);
      expect((await get(`/${ids[1]}`, { method: 'POST' })).status).toBe(405);
    }));

  test('larger than they may be are refused without being kept, and broken ones leave nothing behind', () =>
    withServer({ EMBEDQL_MAX_FILE_MB: '1' }, async (server) => {
      const { status, body } = await sendFile(server, 'x'.repeat(3_000_000));
      expect([status, body.error!.message]).toEqual([413, expect.stringContaining('EMBEDQL_MAX_FILE_MB')]);
      for (const init of [
        { body: 'no form' },
        { body: 'no form', headers: { 'content-type': 'multipart/form-data' } },
        { body: '--x\r\nbroken', headers: { 'content-type': 'multipart/form-data; boundary=x' } },
        { body: new FormData() },
      ])
        expect((await fetch(`${server.url}/v1/files`, { method: 'POST', ...init })).status).toBe(400);
      const gone = new AbortController();
      const slow = new ReadableStream({
        async pull(controller) {
          controller.enqueue(
            Buffer.from(
              `--x\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\n${'y'.repeat(600_000)}`,
            ),
          );
          await sleep(200);
          gone.abort();
          await sleep(1_000);
        },
      });
      await expect(
        fetch(`${server.url}/v1/files`, {
          method: 'POST',
          body: slow,
          signal: gone.signal,
          headers: { 'content-type': 'multipart/form-data; boundary=x' },
          duplex: 'half',
        } as RequestInit),
      ).rejects.toThrow();
      await sleep(300);
      const kept = await fetch(`${server.url}/v1/files`);
      expect(((await kept.json()) as { data: unknown[] }).data).toEqual([]);
      expect(await everythingIn(path.join(folder, 'jobs', 'blobs')).catch(() => '')).toBe('');
    }));
});

test('damaged records are set aside, and the others are gone on with', async () => {
  const { appendFile, writeFile } = await import('node:fs/promises');
  let good = '';
  await withServer({}, async (server) => {
    ({ id: good } = await createJob(server, { texts: ['a'] }));
    await jobOver(server, good);
  });
  const jobs = path.join(folder, 'jobs', 'jobs');
  await writeFile(path.join(jobs, 'job_aaaaaaaaaaaaaaaaaaaaaaaa.record'), Buffer.from('nonsense'));
  await appendFile(path.join(jobs, `${good}.record`), 'torn');
  await withServer({}, async (server) => {
    const { data } = await ask(server, '{ embeddingJobs { id status } }');
    expect(data.embeddingJobs).toEqual([{ id: good, status: 'DONE' }]);
  });
  expect(await readdir(jobs)).toContain('job_aaaaaaaaaaaaaaaaaaaaaaaa.record.damaged');
  await rm(folder, { recursive: true });
});

describe('embedql warm --server', () => {
  async function warm(argv: readonly string[], env: Record<string, string> = {}) {
    let out = '';
    let err = '';
    const code = await runCli({
      argv: ['warm', ...argv],
      env: { LOG_LEVEL: 'silent', ...env },
      out: (text) => {
        out += text;
      },
      err: (text) => {
        err += text;
      },
    });
    return { code, out, err };
  }

  test('has the server embed a file, by its key, and tells what that paid', () =>
    withServer({ EMBEDQL_API_KEYS: 'team:secret-key' }, async (server) => {
      const file = path.join(folder, '..', `${path.basename(folder)}.txt`);
      const lines = Array.from({ length: 300 }, (_, i) => `line “${i % 250}” \u2028 \\ "quoted"`);
      await writeFile(file, `${lines.join('\n')}\n\n`);
      const args = [file, '--server', `${server.url}/`, '--api-key-env', 'THE_KEY'];
      const env = { THE_KEY: 'secret-key' };
      const first = await warm(args, env);
      const usd = price(provider.billedTokens()).toFixed(6);
      expect(first).toMatchObject({ code: 0, err: '' });
      expect(first.out).toMatch(/^300 texts: \d+ were there, \d+ computed, 0 failed, /);
      expect(first.out).toContain(`$${usd} paid`);
      expect(new Set(provider.calls.flatMap(({ input }) => input)).size).toBe(250);
      expect((await warm(args, env)).out).toBe(
        '300 texts: 300 were there, 0 computed, 0 failed, $0.000000 paid\n',
      );
      const refused = await warm(args.slice(0, 3));
      expect(refused).toMatchObject({ code: 1, out: '' });
      expect(refused.err).toContain('API key');
      await rm(file);
    }));

  test.each([
    [['texts.txt', '--server', 'nowhere'], 'expected an address'],
    [['package.json', '--server', 'http://127.0.0.1:4000'], 'one JSON document'],
    [['missing.txt', '--server', 'http://127.0.0.1:9'], 'there is no such file'],
    [['README.md', '--server', 'http://127.0.0.1:9'], 'cannot be reached'],
    [['README.md', '--within-a-day'], 'add --server'],
    [['README.md', '--server', 'http://127.0.0.1:9', '--key', 'team'], 'pass --api-key-env'],
    [['README.md', '--server', 'http://127.0.0.1:9', '--api-key-env', 'NOT_SET'], 'NOT_SET is not set'],
  ])('%j is told what is wrong', async (args, problem) => {
    const { code, err } = await warm(args);
    expect(code).toBe(1);
    expect(err).toContain(problem);
  });
});

test.each([
  ['a second file', (form: string) => `${form}--x\r\n${part('file', 'b.jsonl')}\r\n--x--\r\n`],
  ['a form that breaks off', (form: string) => `${form}--x\r\n${part('purpose')}`],
])('an upload that is refused leaves nothing behind: %s', (_name, end) =>
  withServer({}, async (server) => {
    const response = await fetch(`${server.url}/v1/files`, {
      method: 'POST',
      body: end(`--x\r\n${part('file', 'a.jsonl')}\r\n`),
      headers: { 'content-type': 'multipart/form-data; boundary=x' },
    });
    expect(response.status).toBe(400);
    await response.text();
    const left = () => readdir(path.join(folder, 'jobs', 'blobs')).catch(() => []);
    let names = ['not looked yet'];
    for (let looks = 0; looks < 10 && names.length > 0; looks++) {
      await sleep(300);
      names = await left();
    }
    expect(names).toEqual([]);
  }),
);

function part(name: string, filename?: string): string {
  const file = filename === undefined ? '' : `; filename="${filename}"`;
  return `Content-Disposition: form-data; name="${name}"${file}\r\n\r\n"a text of the file"`;
}
