import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  type Cache,
  type CreateEmbedderOptions,
  createEmbedder,
  type Embedder,
  type Embedding,
  EmbedQLError,
  local,
  memoryCache,
  openai,
  openaiCompatible,
  type Provider,
  redisCache,
} from '../../src/index.ts';
import { type ProviderServer, startProvider, testKey, vectorOf } from '../support/provider-server.ts';
import { hasRedisServer, startRedis } from '../support/redis-server.ts';

let provider: ProviderServer;
const open: Embedder[] = [];

beforeAll(async () => {
  provider = await startProvider();
});
beforeEach(() => {
  provider.forget();
  provider.delayMs = 0;
});
afterEach(() => Promise.all(open.splice(0).map((embedder) => embedder.close())));
afterAll(() => provider.close());

const small = (options = {}) =>
  openai('text-embedding-3-small', { apiKey: testKey, baseUrl: provider.url, ...options });

async function embedderOf(options: Partial<CreateEmbedderOptions> = {}): Promise<Embedder> {
  const embedder = await createEmbedder({ models: [small()], ...options });
  open.push(embedder);
  return embedder;
}

const sent = () => provider.calls.map(({ input }) => input);
const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'no error',
    (error: unknown) => (error instanceof EmbedQLError ? `${error.code}: ${error.message}` : String(error)),
  );

test('the example of the README, with the local model', async () => {
  const embedder = await embedderOf({
    models: [local('all-MiniLM-L6-v2')],
    cache: memoryCache({ maxBytes: 64e6 }),
  });
  const { vector, tokens, costUsd, cached, truncated } = await embedder.embed('cat');
  expect(vector).toBeInstanceOf(Float32Array);
  expect(vector.length).toBe(384);
  expect(Math.hypot(...vector)).toBeCloseTo(1, 4);
  expect({ tokens, costUsd, cached, truncated }).toEqual({
    ...{ tokens: 3, costUsd: 0, cached: false, truncated: false },
  });
  expect((await embedder.embed('cat')).cached).toBe(true);
  const known = { model: 'sentence-transformers/all-MiniLM-L6-v2' };
  expect((await embedder.embedQuery('cat', known)).model).toBe('all-MiniLM-L6-v2');
  expect(embedder.models()).toMatchObject([{ name: 'all-MiniLM-L6-v2', loaded: true, isDefault: true }]);
});

describe('texts', () => {
  test('calls that come together are one provider call, and each text is sent once', async () => {
    const embedder = await embedderOf();
    const texts = Array.from({ length: 64 }, (_, i) => `text ${i % 32}`);
    const embeddings = await Promise.all(texts.map((text) => embedder.embed(text)));
    expect(sent()).toEqual([Array.from({ length: 32 }, (_, i) => `text ${i}`)]);
    for (const [i, { vector }] of embeddings.entries()) expect(vector).toEqual(vectorOf(texts[i]!));
    const price = 0.00002 / 1_000;
    const paid = embeddings.reduce((sum, { costUsd }) => sum + costUsd, 0);
    expect(paid).toBeCloseTo(provider.billedTokens() * price, 12);
    expect(embedder.metrics()).toMatchObject({ providerCalls: 1, totalTokens: provider.billedTokens() });
    expect(embedder.metrics().totalCostUsd).toBeCloseTo(paid, 12);
  });

  test('a long text is averaged, or embedded piece by piece, and each piece cached by itself', async () => {
    const embedder = await embedderOf({ cache: memoryCache() });
    const text = 'A cat purrs on the windowsill at noon. '.repeat(1_000).trim();
    const chunks = await embedder.embedChunks(text, { maxTokens: 8_191 });
    expect(chunks.map((chunk) => chunk.text).join('')).toBe(text);
    expect(chunks.length).toBeGreaterThan(1);
    for (const { start, end, text: slice, tokens, embedding } of chunks) {
      expect(slice).toBe(text.slice(start, end));
      expect(embedding).toMatchObject({ tokens, chunks: 1, model: 'text-embedding-3-small' });
      expect(embedding.vector).toEqual(vectorOf(slice));
    }
    const average = await embedder.embed(text, { longText: 'average', dimensions: 64 });
    expect(average).toMatchObject({ chunks: chunks.length, cached: true, costUsd: 0, truncated: false });
    expect(average.vector).toHaveLength(64);
    const { results } = await embedder.embedMany([text, 'short'], { longText: 'refuse' });
    expect(results).toMatchObject([{ code: 'TEXT_TOO_LONG' }, { chunks: 1 }]);
    for (const [options, message] of [
      [
        { overlapTokens: -1 },
        'embedChunks(): overlapTokens must be a whole number, 0 or more; got the number -1.',
      ],
      [{ maxTokens: 9_000 }, 'maxTokens must be from 1 to 8191 for text-embedding-3-small.'],
      [{ truncate: true }, 'embedChunks(): unknown option (truncate).'],
    ] as const)
      await expect(embedder.embedChunks(text, options as object)).rejects.toThrow(message);
    const wrong = { longText: 'mean' } as object;
    await expect(embedder.embed(text, wrong)).rejects.toThrow(
      "embed(): longText must be 'truncate', 'refuse' or 'average'.",
    );
  });

  test('embedMany keeps the order, fails by entry, and adds up to what is charged', async () => {
    const embedder = await embedderOf({ cache: false });
    const texts = ['a', '', 'b', 'a', '☠ poison', ' ', 'c'];
    const { results, costUsd, tokens } = await embedder.embedMany(texts);
    const shown = results.map((result) => (result instanceof EmbedQLError ? result.code : 'embedding'));
    expect(shown).toEqual([
      ...['embedding', 'BAD_USER_INPUT', 'embedding', 'embedding', 'PROVIDER_ERROR', 'BAD_USER_INPUT'],
      'embedding',
    ]);
    expect((results[1] as EmbedQLError).message).toMatch(/^texts\[1\] is empty/);
    expect((results[6] as Embedding).vector).toEqual(vectorOf('c'));
    expect((results[3] as Embedding).costUsd).toBe(0);
    expect(costUsd).toBeCloseTo((provider.billedTokens() * 0.00002) / 1_000, 12);
    expect(tokens).toBe(results.reduce((sum, one) => sum + ('tokens' in one ? one.tokens : 0), 0));
    expect(await embedder.embedMany([])).toEqual({ results: [], costUsd: 0, tokens: 0 });
  });

  test('more texts than the queue has room for go one part after another', async () => {
    const embedder = await embedderOf({ queueLimit: 40 });
    const texts = Array.from({ length: 130 }, (_, i) => `many ${i}`);
    const { results } = await embedder.embedMany(texts, { batchSize: 10 });
    expect(results.every((result) => !(result instanceof Error))).toBe(true);
    expect(sent().flat().sort()).toEqual([...texts].sort());
    expect(Math.max(...sent().map(({ length }) => length))).toBe(10);
  });

  test('long texts of one length are told apart, and each is sent once', async () => {
    const embedder = await embedderOf();
    const long = (i: number) => `${'long '.repeat(1_000)}${String(i).padStart(4, '0')}`;
    const { results } = await embedder.embedMany([long(1), long(2), long(1), 'x\ud800', 'x\ufffd']);
    expect(sent().flat().sort()).toEqual([long(1), long(2), 'x\ufffd']);
    expect(results.map((result) => (result as Embedding).vector)).toEqual(
      [long(1), long(2), long(1), 'x\ufffd', 'x\ufffd'].map((text) => vectorOf(text)),
    );
    expect(results.map((result) => (result as Embedding).costUsd > 0)).toEqual([
      true,
      true,
      false,
      true,
      false,
    ]);
  });

  test('a vector is its caller’s own', async () => {
    const embedder = await embedderOf();
    const [one, other] = await Promise.all([embedder.embed('mine'), embedder.embed('mine')]);
    one.vector.fill(0);
    expect(other.vector).toEqual(vectorOf('mine'));
    expect((await embedder.embed('mine')).vector).toEqual(vectorOf('mine'));
    const { results } = await embedder.embedMany(['mine', 'mine']);
    (results[0] as Embedding).vector.fill(0);
    expect((results[1] as Embedding).vector).toEqual(vectorOf('mine'));
  });

  test('options mean what they mean over HTTP', async () => {
    const embedder = await embedderOf();
    const long = 'word '.repeat(9_000);
    expect((await embedder.embed(long)).truncated).toBe(true);
    expect(await codeOf(embedder.embed(long, { truncate: false }))).toMatch(/^TEXT_TOO_LONG/);
    const short = await embedder.embed('short', { dimensions: 8 });
    expect(short.vector.length).toBe(8);
    expect(Math.hypot(...short.vector)).toBeCloseTo(1, 5);
    provider.forget();
    for (const useCache of [false, false]) await embedder.embed('fresh', { useCache });
    expect((await embedder.embed('fresh')).cached).toBe(false);
    expect(sent()).toHaveLength(3);
  });
});

test('what was spent is told by day and model, in memory or over restarts, to the token', async () => {
  const dir = await mkdtemp(path.join(tmpdir(), 'library-ledger-'));
  const today = new Date().toISOString().slice(0, 10);
  const days = { from: today, to: today };
  try {
    const first = await embedderOf({ ledgerDir: dir, cache: false });
    await first.embedMany(['one', 'two', 'one']);
    await first.close();
    const second = await embedderOf({ ledgerDir: dir });
    await Promise.all([second.embed('three'), second.embed('three')]);
    await second.embed('three');
    const tokens = provider.billedTokens();
    const [row, ...more] = await second.spend(days);
    expect(more).toEqual([]);
    expect(row).toMatchObject({
      day: today,
      model: null,
      texts: 5,
      hits: 1,
      computed: 3,
      tokens,
      lossy: false,
    });
    expect(row!.costUsd).toBeCloseTo((tokens * 0.00002) / 1_000, 15);
    expect(await second.spend({ ...days, groupBy: ['model'] })).toMatchObject([
      { day: null, model: 'text-embedding-3-small' },
    ]);
    const alone = await embedderOf();
    await alone.embed('four');
    expect(await alone.spend({ ...days, groupBy: [] })).toMatchObject([{ texts: 1, lossy: true }]);
    expect(await codeOf(alone.spend({ from: 'yesterday', to: today }))).toMatch(
      /^BAD_USER_INPUT: from must be/,
    );
    expect(await codeOf(alone.spend({ ...days, groupBy: ['key' as 'day'] }))).toMatch(
      /^BAD_USER_INPUT: .*groupBy/,
    );
  } finally {
    await Promise.all(open.splice(0).map((embedder) => embedder.close()));
    await rm(dir, { recursive: true, force: true });
  }
});

describe('whoever goes', () => {
  test('is told with their own reason, and their text is not sent', async () => {
    const embedder = await embedderOf({ batchWindowMs: 200 });
    const gone = new AbortController();
    const reason = new Error('changed my mind');
    const left = embedder.embed('left', { signal: gone.signal });
    const stayed = embedder.embed('stayed');
    gone.abort(reason);
    await expect(left).rejects.toBe(reason);
    await stayed;
    expect(sent()).toEqual([['stayed']]);
    await expect(embedder.embedMany(['x'], { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(sent()).toHaveLength(1);
  });

  test('is told at once while the provider takes its time', async () => {
    const embedder = await embedderOf();
    provider.delayMs = 1_000;
    const gone = new AbortController();
    const left = embedder.embedMany(['a', 'b'], { signal: gone.signal });
    await expect.poll(() => provider.calls.length).toBe(1);
    gone.abort();
    await expect(left).rejects.toMatchObject({ name: 'AbortError' });
  });

  test('close waits for what is under way, and refuses what comes later', async () => {
    const embedder = await embedderOf();
    provider.delayMs = 300;
    const underWay = embedder.embed('under way');
    await expect.poll(() => provider.calls.length).toBe(1);
    const closing = Promise.all([embedder.close(), embedder.close()]);
    expect(await codeOf(embedder.embed('late'))).toMatch(/^BAD_USER_INPUT: The embedder is closed/);
    await closing;
    expect((await underWay).vector).toEqual(vectorOf('under way'));
  });
});

describe('models', () => {
  test('two embedders have nothing in common', async () => {
    const [one, other] = [await embedderOf(), await embedderOf()];
    await one.embed('shared?');
    expect((await other.embed('shared?')).cached).toBe(false);
    await one.close();
    expect((await other.embed('shared?')).cached).toBe(true);
    expect([one, other].map((embedder) => embedder.metrics().cacheHits)).toEqual([0, 1]);
  });

  test('are chosen by name; the first is the default', async () => {
    const compatible = openaiCompatible('mine', {
      ...{ baseUrl: provider.url, apiKey: testKey, id: 'text-embedding-3-large', dimension: 3_072 },
      ...{ documentPrefix: 'passage: ', costPer1kTokens: 1 },
    });
    const embedder = await embedderOf({ models: [small(), compatible] });
    expect((await embedder.embed('x')).model).toBe('text-embedding-3-small');
    const { vector, costUsd, tokens } = await embedder.embed('x', { model: 'mine' });
    expect(vector).toEqual(vectorOf('passage: x', 3_072));
    expect(costUsd).toBeCloseTo(tokens / 1_000, 12);
    const other = await embedderOf({ models: [small(), compatible], defaultModel: 'mine' });
    expect(other.models().map(({ name, isDefault }) => [name, isDefault])).toEqual([
      ['text-embedding-3-small', false],
      ['mine', true],
    ]);
  });

  test('a provider and a cache of one’s own are enough', async () => {
    const kept = new Map<string, Parameters<Cache['setMany']>[0][number][1]>();
    let closed = 0;
    const cache: Cache = {
      backend: 'memory',
      degraded: false,
      peek: () => undefined,
      getMany: async (keys) =>
        keys.map((key) => {
          const value = kept.get(key);
          return value && { ...value, tier: 'memory' as const };
        }),
      setMany: (entries) => {
        for (const [key, value] of entries) kept.set(key, value);
      },
      flush: async () => {},
      close: async () => void closed++,
    };
    const lengths: Provider = {
      name: 'lengths',
      open: (spec) => ({
        ...{ spec, remote: false },
        status: () => ({ available: true, loaded: true }),
        identity: async () => spec.name,
        fit: async (texts) => texts.map((text) => ({ text, maxTokens: text.length, truncated: false })),
        embed: async (texts) =>
          texts.map(({ length }) => ({ vector: new Float32Array([length, 1]), tokens: 1 })),
        close: async () => {},
      }),
    };
    const embedder = await embedderOf({
      models: [{ provider: lengths, entry: { name: 'lengths', dimension: 2 } }],
      cache,
    });
    expect((await embedder.embed('four')).vector).toEqual(new Float32Array([4, 1]));
    expect((await embedder.embed('four')).cached).toBe(true);
    expect(kept.size).toBe(1);
    await embedder.close();
    expect(closed).toBe(1);
  });

  test('without a key a model says so, and keeps nobody else from working', async () => {
    const embedder = await embedderOf({ models: [small(), small({ apiKey: '' })].slice(1) });
    expect(embedder.models()).toMatchObject([
      { available: false, reason: expect.stringContaining('apiKey') },
    ]);
    expect(await codeOf(embedder.embed('x'))).toMatch(/^PROVIDER_NOT_CONFIGURED: .*apiKey/);
  });
});

test('what a caller without types gets wrong is told by name', async () => {
  const embedder = await embedderOf();
  // biome-ignore lint/suspicious/noExplicitAny: as from JavaScript
  const js = embedder as any;
  const wrong: Array<[Promise<unknown>, RegExp]> = [
    [js.embed('x', { model: 'nope' }), /^MODEL_NOT_FOUND: .*text-embedding-3-small/],
    [
      js.embed('x', { model: 'text-embeding-3-small' }),
      /^MODEL_NOT_FOUND: .*Did you mean text-embedding-3-small/,
    ],
    [js.embed('x', { model: small() }), /^BAD_USER_INPUT: .*model must be the name .* an object/],
    [js.embed(), /^BAD_USER_INPUT: .*undefined/],
    [js.embed(7), /^BAD_USER_INPUT: .*the number 7/],
    [js.embed(' '), /^BAD_USER_INPUT: .*empty/],
    [js.embed('x', 'text-embedding-3-small'), /^BAD_USER_INPUT: .*options must be an object/],
    [js.embed('x', { dimension: 8 }), /^BAD_USER_INPUT: .*Did you mean dimensions/],
    [js.embed('x', { dimensions: 0.5 }), /^BAD_USER_INPUT: .*dimensions/],
    [js.embed('x', { dimensions: 9_999 }), /^BAD_USER_INPUT: .*1536/],
    [js.embed('x', { signal: {} }), /^BAD_USER_INPUT: .*AbortSignal/],
    [js.embedQuery('x', { useCache: 'no' }), /^BAD_USER_INPUT: .*useCache must be a boolean/],
    [js.embedMany('x'), /^BAD_USER_INPUT: .*list of texts/],
    [js.embedMany(['x'], { kind: 'doc' }), /^BAD_USER_INPUT: .*document/],
    [js.embedMany(['x'], { model: 'nope' }), /^MODEL_NOT_FOUND/],
    [js.embedMany(['x'], { batchSize: 0 }), /^BAD_USER_INPUT: .*batchSize/],
  ];
  for (const [call, message] of wrong) expect(await codeOf(call)).toMatch(message);
  expect(sent()).toEqual([]);
});

test('what is wrong with an embedder, a model or a cache is told before anything is opened', async () => {
  // biome-ignore lint/suspicious/noExplicitAny: as from JavaScript
  const make = async (options: () => any) => codeOf((async () => createEmbedder(options()))());
  const models = [small()];
  const wrong: Array<[() => unknown, RegExp]> = [
    [() => ({}), /models must be a list/],
    [() => ({ models: [] }), /models must be a list/],
    [() => ({ models: ['text-embedding-3-small'] }), /models\[0\] must come from openai\(\)/],
    [() => ({ models: [small(), small()] }), /models\[1\] has the name of models\[0\]/],
    [() => ({ models, cach: false }), /Did you mean cache/],
    [() => ({ models, cache: 'memory' }), /cache must come from/],
    [() => ({ models, defaultModel: 'nope' }), /^MODEL_NOT_FOUND/],
    [() => ({ models, queueLimit: 0 }), /queueLimit/],
    [() => ({ models, limits: { retrys: 1 } }), /Did you mean retries/],
    [() => ({ models: [openai('text-embedding-3-smal')] }), /Did you mean text-embedding-3-small/],
    [() => ({ models: [small({ baseURL: 'http://x' })] }), /Did you mean baseUrl/],
    [() => ({ models: [small({ baseUrl: 'ftp://x' })] }), /models\[0\].*baseUrl/],
    [() => ({ models: [small({ dimension: -1 })] }), /models\[0\].*dimension/],
    [() => ({ models: [openaiCompatible('x', { dimension: 3 } as never)] }), /baseUrl is required/],
    [() => ({ models: [local('some-model')] }), /dimension is required/],
    [() => ({ models, cache: memoryCache({ maxBytes: -1 }) }), /maxBytes/],
    [() => ({ models, cache: redisCache({ url: 'http://:secret@x' }) }), /^(?!.*secret).*redis:\/\//],
  ];
  for (const [options, message] of wrong) expect(await make(options)).toMatch(message);
});

test.skipIf(!hasRedisServer)('Redis is shared by embedders, and its end costs nobody a text', async () => {
  const redis = await startRedis();
  const cache = () => redisCache({ url: redis.url, ttlSeconds: 60 });
  const [one, other] = [await embedderOf({ cache: cache() }), await embedderOf({ cache: cache() })];
  await one.embed('in redis');
  await expect.poll(async () => (await other.embed('in redis')).cached).toBe(true);
  const bare = await embedderOf({ cache: redisCache({ url: redis.url, memory: false }) });
  expect((await bare.embed('in redis')).cached).toBe(true);
  await redis.stop();
  expect((await bare.embed('in redis')).vector).toEqual(vectorOf('in redis'));
  expect((await other.embed('in redis')).cached).toBe(true);
});

describe('the built package, by its name', () => {
  const run = async (program: string) => {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--input-type=module', '--eval', program],
      {
        cwd: new URL('../..', import.meta.url),
      },
    );
    return JSON.parse(stdout) as unknown;
  };
  /** Tells the file of everything that is imported or required from now on. */
  const watchImports = `
    import module from 'node:module';
    const files = new Set();
    const { port1, port2 } = new MessageChannel();
    port1.on('message', (url) => files.add(url));
    module.register('data:text/javascript,' + encodeURIComponent(\`
      let port;
      export function initialize(given) { port = given; }
      export async function load(url, context, next) { port.postMessage(url); return next(url, context); }
    \`), { data: port2, transferList: [port2] });
    const heavy = async () => {
      await new Promise((resolve) => setTimeout(resolve, 100));
      port1.close();
      const all = [...files, ...Object.keys(module._cache ?? {})];
      const packages = all.map((file) => file.split('node_modules/').at(-1)).filter((name) => !/^(file|node|data):/.test(name));
      return [...new Set(packages.map((name) => name.split('/').slice(0, name.startsWith('@') ? 2 : 1).join('/')))];
    };`;

  test('brings what the contract says, and loads nothing heavy until it is asked for', async () => {
    const { names, packages } = (await run(`${watchImports}
      const names = Object.keys(await import('embedql'));
      console.log(JSON.stringify({ names, packages: await heavy() }));`)) as Record<string, string[]>;
    expect(names).toEqual(
      expect.arrayContaining([
        ...[
          'createEmbedder',
          'openai',
          'openaiCompatible',
          'local',
          'memoryCache',
          'diskCache',
          'redisCache',
        ],
        'EmbedQLError',
      ]),
    );
    expect(packages!.sort()).toEqual(['fastest-levenshtein', 'lru-cache']);
  });

  test('an embedder loads neither GraphQL nor ONNX Runtime nor Redis for a remote model', async () => {
    const packages = (await run(`${watchImports}
      const { createEmbedder, openai } = await import('embedql');
      const embedder = await createEmbedder({ models: [openai('text-embedding-3-small', { apiKey: 'x' })] });
      await embedder.close();
      console.log(JSON.stringify(await heavy()));`)) as string[];
    expect(packages).toContain('openai');
    for (const name of packages)
      expect(name).not.toMatch(/graphql|pothos|onnx|transformers|ioredis|pino|prom-client/);
  });

  test('serves', async () => {
    const answer = await run(`
      import { createServer } from 'embedql/server';
      const server = await createServer({ env: { LOG_LEVEL: 'silent', OPENAI_API_KEY: 'x' } });
      const health = await (await fetch(await server.listen({ port: 0 }) + '/health')).json();
      await server.close();
      console.log(JSON.stringify(health));`);
    expect(answer).toEqual({ status: 'ok' });
  });
});
