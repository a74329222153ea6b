import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { encode } from 'gpt-tokenizer/encoding/cl100k_base';
import OpenAI, { toFile } from 'openai';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { vectorFromBase64 } from '../../src/core/vectors.ts';
import { attachBatches, type BatchServer } from '../support/batch-server.ts';
import { startEmbedQL, type TestServer } from '../support/embedql.ts';
import { type ProviderServer, startProvider, vectorOf } from '../support/provider-server.ts';

const model = 'text-embedding-3-small';

let provider: ProviderServer;
let batches: BatchServer;
let server: TestServer;

beforeAll(async () => {
  provider = await startProvider();
  batches = attachBatches(provider);
  server = await startEmbedQL(
    {
      ...provider.env,
      EMBEDQL_CACHE_DIR: await mkdtemp(path.join(tmpdir(), 'embedql-batches-')),
      EMBEDQL_API_KEYS: 'web:key-web,other:key-other',
    },
    undefined,
    undefined,
    { jobClock: { ...systemClock, after: (ms, work) => systemClock.after(ms / 50, work) } },
  );
});
beforeEach(() => {
  provider.forget();
  batches.forget();
});
afterAll(() => Promise.all([server.stop(), provider.close()]));

const client = (apiKey = 'key-web') => new OpenAI({ baseURL: `${server.url}/v1`, apiKey, maxRetries: 0 });
const line = (custom_id: string, body: object, more: object = {}) =>
  JSON.stringify({ custom_id, method: 'POST', url: '/v1/embeddings', body: { model, ...body }, ...more });

async function start(lines: readonly string[], metadata?: Record<string, string>) {
  const file = await client().files.create({
    file: await toFile(Buffer.from(lines.join('\n')), 'requests.jsonl'),
    purpose: 'batch',
  });
  const batch = await client().batches.create({
    input_file_id: file.id,
    endpoint: '/v1/embeddings',
    completion_window: '24h',
    ...(metadata ? { metadata } : {}),
  });
  return { file, batch };
}

async function over(id: string) {
  for (;;) {
    const batch = await client().batches.retrieve(id);
    if (['completed', 'failed', 'cancelled', 'expired'].includes(batch.status)) return batch;
    await sleep(30);
  }
}

async function linesOf(fileId: string | null | undefined) {
  const text = await (await client().files.content(fileId!)).text();
  return text
    .trim()
    .split('\n')
    .map((one) => JSON.parse(one));
}

describe("OpenAI's Batch API with its SDK", () => {
  test('long_text refuses a long text by itself; an average within a day is refused before anything is bought', async () => {
    const { batch } = await start([
      line('short', { input: 'short', long_text: 'refuse' }),
      line('long', { input: 'word '.repeat(9_000), long_text: 'refuse' }),
    ]);
    const done = await over(batch.id);
    expect(done.request_counts).toEqual({ total: 2, completed: 1, failed: 1 });
    expect(await linesOf(done.error_file_id)).toMatchObject([
      { custom_id: 'long', response: { status_code: 400, body: { error: { code: 'text_too_long' } } } },
    ]);
    await expect(start([line('one', { input: 'a', long_text: 'average' })])).rejects.toMatchObject({
      status: 400,
      message: expect.stringContaining('embedChunks'),
    });
    await expect(
      start([line('one', { input: 'a', long_text: 'refuse' }), line('two', { input: 'b' })]),
    ).rejects.toMatchObject({ status: 400, message: expect.stringContaining('long_text') });
  });

  test('a file becomes a batch, and the batch a file of answers, bought at half the price', async () => {
    const { file, batch } = await start(
      [
        line('one', { input: 'cat' }),
        line('two', { input: ['dog', 'cat', '   '] }),
        line('three', { input: encode('tokens of a text'), encoding_format: 'base64' }),
        line('four', { input: [encode('first'), encode('second')], user: 'somebody' }),
      ],
      { project: 'corpus' },
    );
    expect(batch).toMatchObject({
      object: 'batch',
      endpoint: '/v1/embeddings',
      input_file_id: file.id,
      completion_window: '24h',
      metadata: { project: 'corpus' },
      request_counts: { total: 4, completed: 0, failed: 0 },
      output_file_id: null,
    });
    const done = await over(batch.id);
    expect(done).toMatchObject({
      status: 'completed',
      request_counts: { total: 4, completed: 4, failed: 0 },
      error_file_id: null,
    });
    expect(done.completed_at).toBeGreaterThanOrEqual(done.created_at);
    const answers = await linesOf(done.output_file_id);
    expect(answers.map(({ custom_id }) => custom_id)).toEqual(['one', 'two', 'three', 'four']);
    const texts = [['cat'], ['dog', 'cat', '   '], ['tokens of a text'], ['first', 'second']];
    for (const [i, { response, error }] of answers.entries()) {
      expect([response.status_code, error, response.body.model]).toEqual([200, null, model]);
      const vectors = response.body.data.map(({ embedding }: { embedding: string | number[] }) =>
        typeof embedding === 'string' ? vectorFromBase64(embedding) : Float32Array.from(embedding),
      );
      expect(vectors).toEqual(texts[i]!.map((text) => vectorOf(text)));
      expect(response.body.usage.total_tokens).toBeGreaterThan(0);
    }
    expect(provider.calls).toEqual([]);
    expect(batches.billed().toSorted()).toEqual(['   ', 'cat', 'dog', 'first', 'second', 'tokens of a text']);
    const described = await client().files.retrieve(done.output_file_id!);
    expect(described).toMatchObject({ object: 'file', purpose: 'batch_output' });
  });

  test('requests that fail have a file of their own', async () => {
    batches.course = () => ({ line: (text) => (text === 'bad' ? 400 : 'ok') });
    const { batch } = await start([
      line('good', { input: 'good one' }),
      line('bad', { input: ['fine', 'bad'] }),
      line('empty', { input: '' }),
      line('long', { input: 'word '.repeat(9_000) }),
    ]);
    const done = await over(batch.id);
    expect(done.request_counts).toEqual({ total: 4, completed: 1, failed: 3 });
    expect((await linesOf(done.output_file_id)).map(({ custom_id }) => custom_id)).toEqual(['good']);
    const errors = await linesOf(done.error_file_id);
    expect(
      errors.map(({ custom_id, response }) => [
        custom_id,
        response.body.error.param,
        response.body.error.code,
      ]),
    ).toEqual([
      ['bad', 'input[1]', 'provider_error'],
      ['empty', 'input', 'bad_user_input'],
      ['long', 'input', 'text_too_long'],
    ]);
  });

  test('batches are listed page by page, and cancelled', async () => {
    batches.course = () => ({ in_progress: 100 });
    const started = [];
    for (let i = 0; i < 3; i++)
      started.unshift((await start([line('a', { input: `listed ${i}` })])).batch.id);
    const listed: string[] = [];
    for await (const batch of client().batches.list({ limit: 2 })) listed.push(batch.id);
    expect(listed.slice(0, 3)).toEqual(started);
    while (batches.batches.length < 3) await sleep(10);
    const cancelled = await client().batches.cancel(started[0]!);
    expect(['cancelling', 'cancelled']).toContain(cancelled.status);
    expect(await over(started[0]!)).toMatchObject({ status: 'cancelled', cancelled_at: expect.any(Number) });
    for (const id of started.slice(1)) await client().batches.cancel(id);
    for (const id of started) await over(id);
  });

  test('belong to their key', async () => {
    const { batch, file } = await start([line('a', { input: 'mine' })]);
    const done = await over(batch.id);
    const other = client('key-other');
    await expect(other.batches.retrieve(batch.id)).rejects.toMatchObject({ status: 404 });
    await expect(other.batches.cancel(batch.id)).rejects.toMatchObject({ status: 404 });
    await expect(other.files.retrieve(file.id)).rejects.toMatchObject({ status: 404 });
    await expect(other.files.content(done.output_file_id!)).rejects.toMatchObject({ status: 404 });
    await expect(
      other.batches.create({ input_file_id: file.id, endpoint: '/v1/embeddings', completion_window: '24h' }),
    ).rejects.toMatchObject({ status: 400, param: 'input_file_id' });
    expect((await other.batches.list()).data).toEqual([]);
    await expect(client('wrong').batches.list()).rejects.toMatchObject({ status: 401 });
    expect(await client().files.delete(file.id)).toMatchObject({ deleted: true });
    expect(await linesOf(done.output_file_id)).toHaveLength(1);
  });

  test.each([
    ['nonsense', /Line 1/],
    ['', /no requests/],
    [JSON.stringify('a text'), /Line 1 .*custom_id/],
    [line('', { input: 'a' }), /custom_id/],
    [line('a', { input: 'a' }, { method: 'GET' }), /POST/],
    [line('a', { input: 'a' }, { url: '/v1/chat/completions' }), /embeddings/],
    [line('a', {}), /wrong body: input/],
    [line('a', { input: 'a', model: 'nothing' }), /no model/],
    [`${line('a', { input: 'a' })}\n${line('a', { input: 'b' })}`, /Line 2 .*custom_id of another/],
    [`${line('a', { input: 'a' })}\n${line('b', { input: 'b', model: 'other' })}`, /Line 2 .*another model/],
    [
      `${line('a', { input: 'a' })}\n${line('b', { input: 'b', dimensions: 5 })}`,
      /Line 2 .*another dimensions/,
    ],
    [line('a', { input: 'a', output_dtype: 'int8' }), /output_dtype/],
  ])('a file of %j is refused, with its line', async (content, message) => {
    const refused = start([content]);
    await expect(refused).rejects.toMatchObject({ message: expect.stringMatching(message) });
    await expect(refused).rejects.toBeInstanceOf(OpenAI.APIError);
    expect(batches.batches).toEqual([]);
  });

  test.each([
    [{ endpoint: '/v1/chat/completions' }, 'endpoint'],
    [{ completion_window: '1h' }, 'completion_window'],
    [{ input_file_id: 'file-none' }, 'input_file_id'],
    [{ metadata: { a: 1 } }, 'metadata'],
  ])('%j is refused by its name', async (wrong, param) => {
    const file = await client().files.create({
      file: await toFile(Buffer.from(line('a', { input: 'a' })), 'a.jsonl'),
      purpose: 'batch',
    });
    const body = { input_file_id: file.id, endpoint: '/v1/embeddings', completion_window: '24h', ...wrong };
    await expect(client().batches.create(body as never)).rejects.toMatchObject({ status: 400, param });
  });
});
