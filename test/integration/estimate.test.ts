import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { runCli } from '../../src/cli/cli.ts';
import { startEmbedQL, type TestServer } from '../support/embedql.ts';
import { type ProviderServer, startProvider } from '../support/provider-server.ts';
import { cachedKeys, hasRedisServer, type RedisServer, startRedis } from '../support/redis-server.ts';

const fields = 'texts distinct empty tooLong cached tokens costUsd costUsdWithinDay';
const query = `query ($texts: [String!]!, $kind: TextKind, $model: String) {
  estimate(texts: $texts, kind: $kind, model: $model) { ${fields} } }`;
const embed = 'mutation ($texts: [String!]!) { embedBatch(texts: $texts) { totalCost totalTokens } }';
const tooLong = 'word '.repeat(9_000);

let provider: ProviderServer;
let folder: string;

beforeAll(async () => {
  provider = await startProvider();
  folder = await mkdtemp(path.join(tmpdir(), 'embedql-estimate-'));
});
beforeEach(() => provider.forget());
afterAll(() => Promise.all([provider.close(), rm(folder, { recursive: true })]));

async function withServer(env: Record<string, string>, run: (server: TestServer) => Promise<void>) {
  const server = await startEmbedQL({ ...provider.env, ...env });
  try {
    await run(server);
  } finally {
    await server.stop();
  }
}

test('counts what long texts cost as they are asked for', () =>
  withServer({}, async (server) => {
    const ask = `query ($texts: [String!]!, $longText: LongText) {
      estimate(texts: $texts, longText: $longText) { ${fields} } }`;
    const long = Array.from({ length: 1_500 }, (_, i) => `Sentence ${i} tells of cats.`).join(' ');
    const texts = [long, 'short', long, ''];
    const { data: refused } = await server.graphql(ask, { texts, longText: 'REFUSE' });
    expect(refused.estimate).toMatchObject({ texts: 4, distinct: 2, empty: 1, tooLong: 1, tokens: 1 });
    const { data } = await server.graphql(ask, { texts, longText: 'AVERAGE' });
    expect(provider.calls).toEqual([]);
    const average = `mutation ($texts: [String!]!) {
      embedBatch(texts: $texts, longText: AVERAGE) { totalCost } }`;
    const { data: bought } = await server.graphql(average, { texts: texts.slice(0, 3) });
    expect(data.estimate.costUsd).toBeCloseTo(bought.embedBatch.totalCost, 12);
    expect(data.estimate.tokens).toBe(provider.billedTokens());
    expect(data.estimate).toMatchObject({ texts: 4, empty: 1, tooLong: 1, cached: 0 });
    expect(data.estimate.distinct).toBe(provider.calls.flatMap(({ input }) => input).length);
    const { data: after } = await server.graphql(ask, { texts, longText: 'AVERAGE' });
    expect(after.estimate).toMatchObject({ cached: data.estimate.distinct, tokens: 0 });
  }));

test('says to the token what the texts then cost, and computes nothing itself', () =>
  withServer({}, async (server) => {
    await server.graphql(embed, { texts: ['known', 'known, too'] });
    provider.forget();
    const texts = [
      'new',
      'known',
      'new',
      '',
      ' \n',
      'half \ud800',
      'half \ufffd',
      '🐈‍⬛ cats',
      tooLong,
      'known, too',
    ];
    const { data } = await server.graphql(query, { texts });
    expect(data.estimate).toMatchObject({ texts: 10, distinct: 6, empty: 2, tooLong: 1, cached: 2 });
    expect(provider.calls).toEqual([]);
    const { data: bought } = await server.graphql(embed, { texts });
    expect(data.estimate.tokens).toBe(provider.billedTokens());
    expect(data.estimate.costUsd).toBeCloseTo(bought.embedBatch.totalCost, 12);
    expect(data.estimate.costUsdWithinDay).toBeCloseTo(bought.embedBatch.totalCost / 2, 12);
    const { data: after } = await server.graphql(query, { texts });
    expect(after.estimate).toMatchObject({
      distinct: 6,
      cached: 6,
      tokens: 0,
      costUsd: 0,
      costUsdWithinDay: 0,
    });
  }));

test('its texts count like those of any list, and a list that is too long is refused before it is looked at', () =>
  withServer({ EMBEDQL_MAX_TEXTS: '4', EMBEDQL_KEY_LIMITS: '*:10/min' }, async (server) => {
    const tooMany = await server.graphql(
      '{ a: estimate(texts: ["a", "", "b"]) { texts } b: estimate(texts: ["c", "d"]) { texts } }',
    );
    expect(tooMany.errors?.[0]?.extensions['code']).toBe('COST_LIMIT_EXCEEDED');
    for (let left = 10; left >= 4; left -= 4)
      expect((await server.graphql(query, { texts: ['a', 'b', 'c', 'd'] })).data?.estimate.texts).toBe(4);
    const limited = await server.graphql(query, { texts: ['a', 'b', 'c', 'd'] });
    expect(limited.errors?.[0]?.extensions['code']).toBe('RATE_LIMITED');
  }));

test('a model without a price, or without batches, has none', async () => {
  const file = path.join(folder, 'models.json');
  const model = { provider: 'openai', dimension: 1_536, baseUrl: provider.url, apiKeyEnv: 'OPENAI_API_KEY' };
  const models = [
    { ...model, name: 'unpriced' },
    { ...model, name: 'priced', costPer1kTokens: 0.5 },
    { ...model, name: 'with-batches', costPer1kTokens: 0.5, batchCostPer1kTokens: 0.1 },
  ];
  await writeFile(file, JSON.stringify({ models }));
  await withServer({ EMBEDQL_MODELS_FILE: file }, async (server) => {
    const costs = async (name: string) => {
      const { data } = await server.graphql(query, { texts: ['cat'], model: name, kind: 'QUERY' });
      return [data.estimate.costUsd, data.estimate.costUsdWithinDay];
    };
    expect(await costs('unpriced')).toEqual([null, null]);
    expect(await costs('priced')).toEqual([0.0005, null]);
    expect(await costs('with-batches')).toEqual([0.0005, 0.0001]);
  });
});

test('wrong arguments are told', () =>
  withServer({}, async (server) => {
    const { errors } = await server.graphql(query, { texts: ['cat'], model: 'nothing' });
    expect(errors?.[0]?.extensions['code']).toBe('MODEL_NOT_FOUND');
    expect((await server.graphql(query, { texts: [] })).data.estimate).toMatchObject({ texts: 0, tokens: 0 });
  }));

describe.skipIf(!hasRedisServer)('with Redis', () => {
  let redis: RedisServer;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis.stop());

  test('asks once for all texts, and leaves neither leases nor entries behind', async () => {
    await withServer({ REDIS_URL: redis.url }, async (server) => {
      await server.graphql(embed, { texts: ['one', 'two'] });
      await server.app.services.cache.flush();
    });
    await withServer(
      { REDIS_URL: redis.url, EMBEDQL_CACHE_DIR: path.join(folder, 'cache') },
      async (server) => {
        const texts = ['one', 'two', ...Array.from({ length: 500 }, (_, i) => `text ${i}`)];
        const { data } = await server.graphql(query, { texts });
        expect(data.estimate).toMatchObject({ distinct: 502, cached: 2 });
      },
    );
    const keys = await redis.client.keys('*');
    expect(keys.filter((key) => !/^(?:embed:v2|\{embedql\}:(?:ledger|bull)):/.test(key))).toEqual([]);
    expect(await cachedKeys(redis.client)).toBe(2);
  });
});

test('the command says the same of a file', async () => {
  const file = path.join(folder, 'texts.jsonl');
  const lines = [
    '"cat"',
    '{"text": "dog"}',
    'secret',
    '"cat"',
    ...Array.from({ length: 1_200 }, (_, i) => `"${i}"`),
  ];
  await writeFile(file, lines.join('\n'));
  let out = '';
  let err = '';
  const code = await runCli({
    argv: ['estimate', file],
    env: { ...provider.env, LOG_LEVEL: 'silent' },
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
  });
  expect({ code, err }).toEqual({ code: 0, err: 'line 3 is not JSON; skipped\n' });
  expect(out).toMatch(
    /texts +1203\ndistinct +1202\ncached +0\ntoo long +0\ntokens to pay +\d+\nnow +\$0\.0000\d+\n/,
  );
  expect(out).toMatch(/within a day +\$0\.0000\d+\n$/);
  expect(provider.calls).toEqual([]);
});
