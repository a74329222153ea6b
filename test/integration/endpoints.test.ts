import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { silentLog, silentProgress } from '../../src/core/surroundings.ts';
import { createEmbedder, openaiCompatible } from '../../src/index.ts';
import { readEntry } from '../../src/models/entry.ts';
import { canaryText } from '../../src/providers/dependable/canaries.ts';
import { openModel } from '../../src/providers/open.ts';
import { providers } from '../../src/providers/registry.ts';
import { startEmbedQL, type TestServer } from '../support/embedql.ts';
import {
  type ProviderServer,
  sendFailure,
  sendJson,
  startProvider,
  testKey,
  vectorOf,
} from '../support/provider-server.ts';

const name = 'text-embedding-3-small';
let services: ProviderServer[];
let server: TestServer;

beforeAll(async () => {
  services = await Promise.all([startProvider(), startProvider(), startProvider()]);
  const file = path.join(mkdtempSync(path.join(tmpdir(), 'embedql-endpoints-')), 'models.json');
  const endpoints = services.map(({ url }, i) => ({
    baseUrl: url,
    name: `place-${i}`,
    weight: [2, 1, 1][i],
  }));
  const entry = {
    name: 'pooled',
    id: name,
    provider: 'openai',
    dimension: 1_536,
    maxBatchSize: 2,
    costPer1kTokens: 0.02,
  };
  const models = [
    { ...entry, apiKeyEnv: 'KEY', endpoints },
    { ...entry, name: 'wide', maxBatchSize: 100, apiKeyEnv: 'KEY', endpoints: endpoints.slice(0, 2) },
  ];
  writeFileSync(file, JSON.stringify({ models }));
  server = await startEmbedQL({
    ...{ EMBEDQL_MODELS_FILE: file, EMBEDQL_DEFAULT_MODEL: 'pooled', KEY: testKey },
    ...{ EMBEDQL_PROVIDER_TIMEOUT_MS: '1500', EMBEDQL_BREAKER_MS: '300', EMBEDQL_CACHE: 'off' },
  });
});
afterAll(async () => {
  await server?.stop();
  for (const service of services ?? []) await service.close();
});

const embed = (text: string) =>
  server.graphql('mutation ($text: String!) { embed(text: $text) { embeddingBase64 } }', { text });
const base64 = (text: string) => Buffer.from(vectorOf(text).buffer).toString('base64');
const endpoints = async () =>
  (await server.graphql('{ defaultModel { endpoints { name healthy inFlight reason } } }')).data.defaultModel
    .endpoints;
const isCanary = ({ input }: { input: string[] }) => input.includes(canaryText);

/** Texts that sixteen clients ask for, one after another. */
async function load(texts: number, label: string): Promise<void> {
  let next = 0;
  const client = async () => {
    while (next < texts) {
      const text = `${label} ${next++}`;
      const { data, errors } = await embed(text);
      expect(errors, text).toBeUndefined();
      expect(data.embed.embeddingBase64).toBe(base64(text));
    }
  };
  await Promise.all(Array.from({ length: 16 }, client));
}

test('two of three die, hang, answer 429 and come back under load: nobody notices', async () => {
  await load(200, 'well');
  for (const service of services) expect(service.calls.filter(isCanary)).toHaveLength(1);
  const break_ = [
    (service: ProviderServer) => {
      service.misbehave = (_call, response) => !!response.destroy();
    },
    (service: ProviderServer) => {
      service.misbehave = () => true;
    },
    (service: ProviderServer) => {
      service.misbehave = (_call, response) => {
        sendFailure(response, 429, { headers: { 'retry-after-ms': '400' } });
        return true;
      };
    },
    (service: ProviderServer) => {
      service.misbehave = (_call, response) => {
        sendFailure(response, 503);
        return true;
      };
    },
  ];
  for (const [i, down] of break_.entries()) {
    const away = [services[i % 3]!, services[(i + 1) % 3]!];
    for (const service of away) down(service);
    await load(150, `away ${i}`);
    expect(
      (await endpoints()).filter(({ healthy }: { healthy: boolean }) => !healthy).length,
    ).toBeGreaterThan(0);
    for (const service of away) service.misbehave = undefined;
    await expect
      .poll(async () => (await endpoints()).every(({ healthy }: { healthy: boolean }) => healthy), {
        timeout: 20_000,
      })
      .toBe(true);
  }
  for (const service of services) service.forget();
  await load(400, 'again');
  const calls = services.map((service) => service.calls.filter((call) => !isCanary(call)).length);
  const all = calls.reduce((sum, count) => sum + count, 0);
  for (const [i, count] of calls.entries())
    expect(Math.abs(count / all - [0.5, 0.25, 0.25][i]!) / [0.5, 0.25, 0.25][i]!, calls.join()).toBeLessThan(
      0.1,
    );
}, 120_000);

test('figures and books tell endpoints apart, and what the canary cost', async () => {
  const page = await (await fetch(`${server.url}/metrics`)).text();
  for (const i of [0, 1, 2]) {
    expect(page).toMatch(
      new RegExp(`embedql_endpoint_calls_total\\{model="pooled",endpoint="place-${i}",outcome="ok"\\} \\d+`),
    );
    expect(page).toMatch(
      new RegExp(
        `embedql_endpoint_canaries_total\\{model="pooled",endpoint="place-${i}",outcome="ok"\\} \\d+`,
      ),
    );
    expect(page).toContain(`embedql_endpoint_healthy{model="pooled",endpoint="place-${i}"} 1`);
    expect(page).toContain(`embedql_endpoint_calls_in_flight{model="pooled",endpoint="place-${i}"} 0`);
  }
  expect(page).toMatch(/embedql_key_tokens_total\{key="canary"\} [1-9]/);
  const today = new Date().toISOString().slice(0, 10);
  const { data } = await server.graphql(
    'query ($day: String!) { spend(from: $day, to: $day, groupBy: [KEY]) { key tokens costUsd } }',
    { day: today },
  );
  const canary = data.spend.find((row: { key: string }) => row.key === 'canary');
  expect(canary.tokens).toBeGreaterThan(0);
  expect(canary.costUsd).toBeCloseTo((canary.tokens * 0.02) / 1000);
});

test('an endpoint of another model with the same dimension gets not one vector into the cache', async () => {
  const good = await Promise.all([startProvider({ delayMs: 50 }), startProvider({ delayMs: 50 })]);
  const rogue = await startProvider();
  rogue.misbehave = ({ input }, response) => {
    // Another model: the same dimension, other vectors.
    const data = input.map((text, index) => ({ index, embedding: Array.from(vectorOf(`other ${text}`)) }));
    sendJson(response, 200, { data, usage: { total_tokens: 1 } });
    return true;
  };
  for (const place of [0, 1, 2]) {
    const urls = good.map(({ url }) => url);
    urls.splice(place, 0, rogue.url);
    const lines: string[] = [];
    const log = {
      debug() {},
      info() {},
      warn() {},
      error: (_: unknown, message?: string) => void lines.push(message ?? ''),
    };
    const definition = openaiCompatible(name, {
      ...{ dimension: 1_536, apiKey: testKey },
      endpoints: urls.map((baseUrl) => ({ baseUrl })),
    });
    rogue.calls.length = 0;
    const embedder = await createEmbedder({ models: [definition], log });
    for (const round of [1, 2]) {
      const texts = Array.from({ length: 60 }, (_, i) => `text ${i}`);
      const results = await Promise.all(texts.map((text) => embedder.embed(text)));
      for (const [i, { vector, cached }] of results.entries()) {
        expect(vector).toEqual(vectorOf(texts[i]!));
        expect(cached).toBe(round === 2);
      }
    }
    expect(rogue.calls.map(({ input }) => input)).toEqual([[canaryText]]);
    expect(lines).toEqual(['endpoint is shut out']);
    await embedder.close();
  }
  for (const service of [...good, rogue]) await service.close();
});

test('many texts of a batch that each make an endpoint answer 500 fail alone', async () => {
  for (const service of services)
    service.misbehave = ({ input }, response) => {
      if (!input.some((text) => text.startsWith('bad'))) return false;
      sendFailure(response, 500);
      return true;
    };
  const texts = Array.from({ length: 100 }, (_, i) => `${i % 12 === 0 ? 'bad' : 'good'} ${i}`);
  const { data } = await server.graphql(
    'mutation ($texts: [String!]!) { embedBatch(texts: $texts, model: "wide") { failures { index } } }',
    { texts },
  );
  for (const service of services) service.forget();
  expect(data.embedBatch.failures.map(({ index }: { index: number }) => index)).toEqual([
    0, 12, 24, 36, 48, 60, 72, 84, 96,
  ]);
});

describe('endpoints of an entry', () => {
  const entry = (members: object) =>
    readEntry({ name: 'm', provider: 'openai', dimension: 8, ...members }, providers, ['models', 0]);
  const url = 'http://a.example/v1';

  test('have their own address, key, id and weight; the rest is the entry’s', () => {
    const { endpoints: read } = entry({
      apiKeyEnv: 'SHARED',
      endpoints: [
        { baseUrl: url },
        { baseUrl: url, apiKeyEnv: 'OWN', id: 'other', weight: 3 },
        { baseUrl: 'http://b.example:8080/v1?key=secret', name: 'b' },
      ],
    });
    expect(read).toEqual([
      { name: 'a.example', weight: 1, options: { baseUrl: url, apiKeyEnv: 'SHARED' } },
      { name: 'a.example#2', id: 'other', weight: 3, options: { baseUrl: url, apiKeyEnv: 'OWN' } },
      {
        name: 'b',
        weight: 1,
        options: { baseUrl: 'http://b.example:8080/v1?key=secret', apiKeyEnv: 'SHARED' },
      },
    ]);
    expect(
      entry({ provider: 'bedrock', endpoints: [{ region: 'eu-west-1' }, { region: 'us-east-1' }] }).endpoints,
    ).toMatchObject([{ name: 'eu-west-1' }, { name: 'us-east-1' }]);
  });

  test('are told apart, each by the same name whatever other hosts there are and in whatever order', () => {
    const named = (...endpoints: object[]) => entry({ endpoints }).endpoints!.map(({ name }) => name);
    const b = 'http://b.example/v1';
    const called = { baseUrl: b, name: 'a.example' };
    const numbered = { baseUrl: b, name: 'a.example#2' };
    expect(named({ baseUrl: url }, called)).toEqual(['a.example#2', 'a.example']);
    expect(named(called, { baseUrl: url })).toEqual(['a.example', 'a.example#2']);
    expect(named({ baseUrl: url }, { baseUrl: url }, numbered)).toEqual([
      'a.example',
      'a.example#3',
      'a.example#2',
    ]);
    expect(named(numbered, { baseUrl: url }, { baseUrl: url })).toEqual([
      'a.example#2',
      'a.example',
      'a.example#3',
    ]);
    expect(named({ baseUrl: b }, { baseUrl: url }, { baseUrl: url })).toEqual([
      'b.example',
      'a.example',
      'a.example#2',
    ]);
    expect(named(called, called)).toEqual(['a.example', 'a.example#2']);
  });

  test.each([
    [{ endpoints: [] }, /^models\[0\]\.endpoints: /],
    [{ endpoints: [{}] }, /^models\[0\]\.endpoints\[0\]\.baseUrl: is required/],
    [{ endpoints: [{ baseUrl: url }, { baseUrl: 'nowhere' }] }, /^models\[0\]\.endpoints\[1\]\.baseUrl: /],
    [{ endpoints: [{ baseUrl: url, weight: 0 }] }, /^models\[0\]\.endpoints\[0\]\.weight: /],
    [{ endpoints: [{ baseUrl: url, wieght: 1 }] }, /^models\[0\]\.endpoints\[0\]: .*did you mean "weight"/],
    [{ baseUrl: url, endpoints: [{ baseUrl: url }] }, /^models\[0\]\.baseUrl: is to be left out/],
    [
      { provider: 'local', endpoints: [{ baseUrl: url }] },
      /^models\[0\]\.endpoints: the provider local has none/,
    ],
  ])('%j', (members, message) => {
    expect(() => entry(members)).toThrow(message);
  });

  test('are listed as what can be asked, where one has its key', async () => {
    const spec = entry({
      endpoints: [
        { baseUrl: url, apiKeyEnv: 'NONE' },
        { baseUrl: url, apiKeyEnv: 'SET' },
      ],
    });
    const context = { env: { SET: 'k' }, modelsDir: '', log: silentLog, progress: silentProgress };
    expect(openModel(spec, providers, context).status()).toEqual({ available: true, loaded: true });
    expect(openModel(spec, providers, { ...context, env: {} }).status()).toMatchObject({
      available: false,
      note: 'needs NONE',
    });
  });

  test('in a program are checked, too', async () => {
    const create = (endpoints: unknown) =>
      openaiCompatible('m', { dimension: 8, endpoints } as Parameters<typeof openaiCompatible>[1]);
    expect(() => create('x')).toThrow(/endpoints must be a list/);
    expect(() => create([{ baseURL: url }])).toThrow(/endpoints\[0\]: unknown option.*baseUrl/);
    expect(() => openaiCompatible('m', { dimension: 8 })).toThrow(/baseUrl is required/);
    await expect(createEmbedder({ models: [create([{ weight: 1 }])] })).rejects.toThrow(
      /endpoints\[0\]\.baseUrl: is required/,
    );
  });
});
