import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Worker } from 'node:worker_threads';
import * as installed from '@embedql/all-minilm-l6-v2';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { EmbedQLError } from '../../src/core/errors.ts';
import { silentProgress } from '../../src/core/surroundings.ts';
import { hubOptions } from '../../src/providers/hub.ts';
import { LocalModel } from '../../src/providers/local/local-model.ts';
import type { LocalSpec } from '../../src/providers/local/options.ts';
import { hubSource } from '../../src/providers/local/weights/hub.ts';
import { inspectWeights } from '../../src/providers/local/weights/inspect.ts';
import { provisionWeights } from '../../src/providers/local/weights/provision.ts';
import type { Weights, WeightsSource } from '../../src/providers/local/weights/source.ts';
import { createLog } from '../../src/telemetry/pino.ts';
import { startEmbedQL } from '../support/embedql.ts';
import { type HubServer, startHub } from '../support/hub-server.ts';
import { miniLM as builtin } from '../support/mini-lm.ts';

/** The same weights under a name that no package carries. */
const spec: LocalSpec = { ...builtin, name: 'mini', id: 'somebody/mini' };
const log = createLog('silent', false);
const { directory: original } = installed;
let modelsDir: string;

beforeEach(async () => {
  modelsDir = await mkdtemp(path.join(tmpdir(), 'embedql-weights-'));
});
afterEach(() => rm(modelsDir, { recursive: true, force: true }));

/** Puts the weights of the package into the models folder, for a model. */
async function copyFor({ id, name }: LocalSpec): Promise<string> {
  const target = path.join(modelsDir, id ?? name);
  await cp(original, target, { recursive: true, filter: (file) => !file.endsWith('build') });
  return target;
}

const provision = (sources: WeightsSource[], wanted: LocalSpec = spec) =>
  provisionWeights(wanted, { modelsDir, sources, log, progress: silentProgress });

const leftovers = async () =>
  (await readdir(modelsDir, { recursive: true })).filter(
    (name) => name.includes('.unfinished') || name.includes('.lock'),
  );

describe('the weights package', () => {
  test('is read where it lies: nothing is fetched and nothing is copied', async () => {
    expect(await provision([], builtin)).toEqual({ directory: original, dtype: 'int8' });
    expect(await readdir(modelsDir)).toEqual([]);
  });

  test('comes after what somebody put into the models folder, and before what is less precise', async () => {
    const target = await copyFor(builtin);
    expect((await provision([], builtin)).directory).toBe(target);
    for (const file of ['model_q4.onnx', 'model_quantized.onnx']) {
      await rename(path.join(target, 'onnx/model_int8.onnx'), path.join(target, 'onnx', file));
      expect(await provision([], builtin)).toEqual({ directory: original, dtype: 'int8' });
      await rename(path.join(target, 'onnx', file), path.join(target, 'onnx/model_int8.onnx'));
    }
    await rename(path.join(target, 'onnx/model_int8.onnx'), path.join(target, 'onnx/model.onnx'));
    expect(await provision([], builtin)).toEqual({ directory: target, dtype: 'fp32' });
  });

  test('does not stand in for another precision', async () => {
    await expect(provision([], { ...builtin, options: { dtype: 'fp32' } })).rejects.toThrow(
      /not on this machine/,
    );
  });
});

describe('the hub', () => {
  let hub: HubServer;
  const source = () => hubSource({ ...hubOptions({ HF_ENDPOINT: hub.url }), connectMs: 2_000 });
  beforeEach(async () => {
    hub = await startHub(spec.id!, original);
  });
  afterEach(() => hub.close());

  test('gives the weights, file by file at one commit', async () => {
    const weights = await provision([source()]);
    expect(weights).toEqual({ directory: path.join(modelsDir, spec.id!), dtype: 'int8' });
    expect(await inspectWeights(weights, spec)).toEqual(await inspectWeights(installed, spec));
    expect(await leftovers()).toEqual([]);
    expect(hub.requests.every((url) => url.includes('/revision/main') || url.includes('a'.repeat(40)))).toBe(
      true,
    );
  });

  test('is not believed when a file arrives damaged, and the next source is asked', async () => {
    hub.damage = (file) => (file === 'tokenizer.json' ? Buffer.from('{}') : undefined);
    await expect(provision([source()])).rejects.toThrow(/tokenizer.json arrived damaged/);
    expect(await leftovers()).toEqual([]);
    const copy: WeightsSource = {
      name: 'a copy',
      offers: () => true,
      fetch: (_spec, into) => cp(original, into, { recursive: true }),
    };
    expect((await provision([source(), copy])).dtype).toBe('int8');
  });

  test('says which precision it does not have', async () => {
    await expect(provision([source()], { ...spec, options: { dtype: 'fp16' } })).rejects.toThrow(
      /no ONNX weights in fp16/,
    );
  });

  test('is not asked when it is switched off, and not waited for when it swallows packets', async () => {
    expect(hubSource(hubOptions({ HF_HUB_OFFLINE: '1' })).offers(spec)).toBe(false);
    // A port that accepts and never answers.
    const { createServer } = await import('node:net');
    const silent = createServer(() => {}).listen(0, '127.0.0.1');
    await new Promise((resolve) => silent.once('listening', resolve));
    const { port } = silent.address() as { port: number };
    const slow = hubSource({ ...hubOptions({ HF_ENDPOINT: `http://127.0.0.1:${port}` }), connectMs: 100 });
    await expect(provision([slow])).rejects.toThrow(/cannot be reached from here/);
    silent.close();
  });
});

test('two at the same time fetch once', async () => {
  let fetched = 0;
  const counting: WeightsSource = {
    name: 'a copy',
    offers: () => true,
    async fetch(_spec, into) {
      fetched += 1;
      await cp(original, into, { recursive: true });
    },
  };
  await Promise.all([provision([counting]), provision([counting]), provision([counting])]);
  expect(fetched).toBe(1);
});

test('other weights in the same folder are kept', async () => {
  const target = path.join(modelsDir, spec.id!);
  await mkdir(path.join(target, 'onnx'), { recursive: true });
  await writeFile(path.join(target, 'onnx', 'model_fp16.onnx'), 'somebody put this here');
  const copy: WeightsSource = {
    name: 'a copy',
    offers: () => true,
    fetch: (_spec, into) => cp(original, into, { recursive: true }),
  };
  await provision([copy], { ...spec, options: { dtype: 'int8' } });
  expect(await readdir(path.join(target, 'onnx'))).toEqual(['model_fp16.onnx', 'model_int8.onnx']);
});

test('damaged weights are told with what to do, and a mended folder works without a restart', async () => {
  const target = await copyFor(builtin);
  await writeFile(path.join(target, 'onnx', 'model_int8.onnx'), 'not a model');
  const server = await startEmbedQL({ EMBEDQL_MODELS_DIR: modelsDir });
  const ask = 'mutation { embed(text: "cat") { dimension } }';
  const broken = await server.graphql(ask);
  expect(broken.errors![0]).toMatchObject({
    message: expect.stringMatching(/may be damaged.*embedql pull all-MiniLM-L6-v2/s),
    extensions: { code: 'PROVIDER_ERROR', retryable: true },
  });
  expect((await fetch(`${server.url}/ready`)).status).toBe(503);
  expect((await server.graphql('{ health { status } }')).data.health.status).toBe('DEGRADED');
  await copyFor(builtin);
  await expect.poll(async () => (await server.graphql(ask)).data).toEqual({ embed: { dimension: 384 } });
  expect((await fetch(`${server.url}/ready`)).status).toBe(200);
  await server.stop();
});

describe('a folder that cannot be loaded', () => {
  /** Threads that were started and have not ended. */
  const alive = new Set<Worker>();
  let started = 0;
  const onWorker = (message: unknown) => {
    const { worker } = message as { worker: Worker };
    started += 1;
    alive.add(worker);
    worker.once('exit', () => alive.delete(worker));
  };
  beforeEach(() => {
    started = 0;
    subscribe('worker_threads', onWorker);
  });
  afterEach(() => {
    unsubscribe('worker_threads', onWorker);
  });

  /** Asks a thousand times, and gives what was answered. */
  async function askOften(): Promise<EmbedQLError[]> {
    const context = { env: {}, modelsDir, log, progress: silentProgress };
    const model = new LocalModel(builtin, context, []);
    const errors: EmbedQLError[] = [];
    for (let n = 0; n < 1_000; n++) {
      const embedded = model.identity().then(() => model.embed(['cat']));
      errors.push(
        await embedded.then(
          () => Promise.reject(new Error('it has loaded')),
          (error) => error,
        ),
      );
    }
    expect(model.status()).toEqual({ available: false, loaded: false, reason: errors[0]!.message });
    await model.close();
    return errors;
  }

  test('is tried once in a while, and leaves no thread behind', async () => {
    const target = await copyFor(builtin);
    await writeFile(path.join(target, 'onnx', 'model_int8.onnx'), 'not a model');
    const errors = await askOften();
    const attempts = errors.filter(({ retryAfterMs }) => retryAfterMs === undefined);
    // After one second, three, seven, fifteen …
    expect(attempts.length).toBeLessThan(8);
    expect(started).toBe(attempts.length);
    await expect.poll(() => alive.size).toBe(0);
    expect(new Set(errors.map(({ message }) => message)).size).toBe(1);
    const told = errors.find(({ retryAfterMs }) => retryAfterMs !== undefined)!;
    expect(told).toMatchObject({ code: 'PROVIDER_ERROR', retryable: true });
  });

  test('says which file is missing, without starting anything', async () => {
    const target = await copyFor(builtin);
    // fp32 weights beside the configuration of others.
    await rename(path.join(target, 'onnx/model_int8.onnx'), path.join(target, 'onnx/model.onnx'));
    const config = JSON.parse(await readFile(path.join(target, 'config.json'), 'utf8'));
    config['transformers.js_config'] = { use_external_data_format: { 'model.onnx': 2 } };
    await writeFile(path.join(target, 'config.json'), JSON.stringify(config));
    await writeFile(path.join(target, 'onnx/model.onnx_data'), 'the first part');
    const [error] = await askOften();
    expect(error!.message).toContain('onnx/model.onnx_data_1, which is missing');
    expect(error!.message).toContain('use_external_data_format');
    expect(started).toBe(0);
  });

  test.each([
    ['onnx/model_int8.onnx', '', /onnx\/model_int8.onnx is empty/],
    [
      'tokenizer.json',
      'version https://git-lfs.github.com/spec/v1\n',
      /tokenizer.json is a pointer of Git LFS/,
    ],
    ['tokenizer.json', '<html>', /tokenizer.json is not JSON/],
    ['config.json', '{', /config.json is not what transformers.js writes/],
  ])('says what is wrong with %s that holds %j', async (file, content, message) => {
    await writeFile(path.join(await copyFor(builtin), file), content);
    const [error] = await askOften();
    expect(error!.message).toMatch(message);
    expect(started).toBe(0);
  });
});

describe('weights in which a vector depends on the texts beside it', () => {
  /** A field that nobody reads (doc_string), so that the graph computes what it did. */
  const marked = (weights: Buffer) =>
    Buffer.concat([weights, Buffer.from([0x32, 0x15]), Buffer.from('DynamicQuantizeLinear')]);

  test('are computed one text at a time, and have an identity of their own', async () => {
    const target = await copyFor(builtin);
    const file = path.join(target, 'onnx/model_int8.onnx');
    await writeFile(file, marked(await readFile(file)));
    const lines: string[] = [];
    const listening = pino({}, { write: (line) => void lines.push(line) });
    const context = { env: {}, modelsDir, log: listening, progress: silentProgress };
    const model = new LocalModel(builtin, context, []);
    const texts = ['cat', 'a longer text about a cat', 'another'];
    const together = await model.embed(texts);
    expect(lines.join()).toContain('one at a time');
    for (const [i, text] of texts.entries()) {
      expect((await model.embed([text]))[0]!.vector).toEqual(together[i]!.vector);
    }
    const plain = await inspectWeights(installed, builtin);
    expect(plain.batchDependent).toBe(false);
    expect(await model.identity()).not.toContain(plain.revision);
    await model.close();
  });

  test('are found wherever their operator stands', async () => {
    const target = path.join(modelsDir, 'any');
    const weights: Weights = { directory: target, dtype: 'q8' };
    await mkdir(path.join(target, 'onnx'), { recursive: true });
    await writeFile(path.join(target, 'tokenizer.json'), '{}');
    // Across the border of two reads, too.
    for (const at of [0, 65_530, 65_536, 200_000]) {
      await writeFile(path.join(target, 'onnx/model_quantized.onnx'), marked(Buffer.alloc(at)));
      expect((await inspectWeights(weights, spec)).batchDependent, String(at)).toBe(true);
    }
  });
});

test('several local models run at once, each with an identity of its own', async () => {
  const file = path.join(modelsDir, 'models.json');
  await writeFile(
    file,
    JSON.stringify({
      models: [
        {
          name: 'mini-cls',
          provider: 'local',
          id: builtin.id,
          dimension: 384,
          pooling: 'cls',
          queryPrefix: 'query: ',
        },
      ],
    }),
  );
  const server = await startEmbedQL({ EMBEDQL_MODELS_FILE: file });
  const { data } = await server.graphql(
    'mutation { a: embed(text: "cat") { embedding } b: embed(text: "cat", model: "mini-cls") { embedding model } q: embedQuery(query: "cat", model: "mini-cls") { embedding } }',
  );
  expect(data.b.model).toBe('mini-cls');
  expect(data.a.embedding).not.toEqual(data.b.embedding);
  expect(data.q.embedding).not.toEqual(data.b.embedding);
  expect((await server.graphql('{ health { modelsLoaded } }')).data.health.modelsLoaded).toEqual([
    'all-MiniLM-L6-v2',
    'mini-cls',
  ]);
  await server.stop();
});

test('a model whose entry states another dimension says so', async () => {
  const file = path.join(modelsDir, 'models.json');
  await writeFile(
    file,
    JSON.stringify({ models: [{ name: 'wrong', provider: 'local', id: builtin.id, dimension: 400 }] }),
  );
  const server = await startEmbedQL({ EMBEDQL_MODELS_FILE: file });
  const { errors } = await server.graphql('mutation { embed(text: "cat", model: "wrong") { model } }');
  expect(errors![0]!.message).toContain('384 numbers, but its entry says 400');
  await server.stop();
});
