import { writeFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createCohere } from '@ai-sdk/cohere';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { aiSdk, cohere, createEmbedder } from '../../src/index.ts';
import { startEmbedQL, type TestServer } from '../support/embedql.ts';
import { type ProviderServer, sendJson, startProvider, vectorOf } from '../support/provider-server.ts';
import {
  startVendor,
  type VendorName,
  type VendorService,
  vectorAs,
  vendorKeys,
} from '../support/vendor-services.ts';

const names = ['cohere', 'voyage', 'google', 'mistral', 'azure', 'bedrock'] as const;
const services = {} as Record<VendorName, VendorService>;
let openai: ProviderServer;
let server: TestServer;

/** One model of each vendor: its name here, its dimension, and whether it tells documents and queries apart. */
const models = [
  { name: 'text-embedding-3-small', vendor: 'openai', dimension: 1_536, tells: false },
  { name: 'embed-v4.0', vendor: 'cohere', dimension: 512, tells: true },
  { name: 'voyage-4', vendor: 'voyage', dimension: 1_024, tells: true },
  { name: 'gemini-embedding-001', vendor: 'google', dimension: 3_072, tells: true },
  { name: 'mistral-embed', vendor: 'mistral', dimension: 1_024, tells: false },
  { name: 'text-embedding-3-large', vendor: 'azure', dimension: 3_072, tells: false },
  { name: 'cohere.embed-v4:0', vendor: 'bedrock', dimension: 1_536, tells: true },
] as const;

const entries = () => [
  { name: 'embed-v4.0', provider: 'cohere', baseUrl: services.cohere.url, dimension: 512 },
  { name: 'voyage-4', provider: 'voyage', baseUrl: services.voyage.url },
  { name: 'gemini-embedding-001', provider: 'google', baseUrl: services.google.url },
  { name: 'mistral-embed', provider: 'mistral', baseUrl: services.mistral.url },
  {
    ...{ name: 'text-embedding-3-large', provider: 'azure', id: 'my-deployment' },
    options: { baseUrl: services.azure.url },
  },
  { name: 'cohere.embed-v4:0', provider: 'bedrock', baseUrl: services.bedrock.url },
  { name: 'titan', id: 'amazon.titan-embed-text-v2:0', provider: 'bedrock', baseUrl: services.bedrock.url },
];

beforeAll(async () => {
  openai = await startProvider();
  for (const name of names) services[name] = await startVendor(name);
  const file = path.join(await mkdtemp(path.join(tmpdir(), 'embedql-vendors-')), 'models.json');
  writeFileSync(file, JSON.stringify({ models: entries() }));
  server = await startEmbedQL({ ...openai.env, ...vendorKeys, EMBEDQL_MODELS_FILE: file });
});
afterAll(async () => {
  await server?.stop();
  await openai?.close();
  for (const service of Object.values(services)) service.close();
});

const embedBatch = `mutation ($texts: [String!]!, $kind: TextKind!, $model: String!) {
  embedBatch(texts: $texts, kind: $kind, model: $model) {
    embeddingsBase64 totalTokens failures { index code message }
  }
}`;

/** Of all lengths up to 2,000 bytes, which every model takes whole, in several scripts: a call of them can be too long. */
function textOf(n: number): string {
  const word = ['purr', 'Straße', '猫は眠る', 'кот', '🙂', 'x'][n % 6]!;
  const text = `${n}: ${`${word} `.repeat(1 + ((n * 7_919) % (n % 3 === 0 ? 400 : 40)))}`;
  return Buffer.from(text)
    .subarray(0, 1_990)
    .toString()
    .replace(/\uFFFD+$/, '')
    .trim();
}

test('10,000 documents and queries over seven providers: each as what it is, within every limit, for the very bill', async () => {
  const perModel = 1_430;
  const bytesOf = (vector: readonly number[] | Float32Array) =>
    Buffer.from(Float32Array.from(vector).buffer).toString('base64');
  let seen = 0;
  for (const { name, vendor, dimension, tells } of models) {
    const asked = ['DOCUMENT', 'QUERY'].flatMap((kind) =>
      // Some texts are asked for as both.
      Array.from({ length: 11 }, (_, part) => ({
        kind,
        texts: Array.from({ length: perModel / 22 }, (_, i) =>
          textOf((kind === 'QUERY' ? 600 : 0) + part * (perModel / 22) + i),
        ),
      })),
    );
    const answers = await Promise.all(
      asked.map(({ kind, texts }) => server.graphql(embedBatch, { texts, kind, model: name })),
    );
    for (const [i, { data, errors }] of answers.entries()) {
      expect(errors).toBeUndefined();
      expect(data.embedBatch.failures).toEqual([]);
      const { kind, texts } = asked[i]!;
      seen += texts.length;
      const as = !tells ? undefined : kind === 'QUERY' ? 'query' : 'doc';
      for (const [n, base64] of data.embedBatch.embeddingsBase64.entries()) {
        const expected = vendor === 'openai' ? vectorOf(texts[n]!) : vectorAs(as, texts[n]!, dimension);
        expect(base64 === bytesOf(expected), `${name}: ${kind} ${texts[n]!.slice(0, 20)}`).toBe(true);
      }
    }
  }
  expect(seen).toBe(perModel * 7);
  for (const vendor of names) {
    const { calls, refused } = services[vendor];
    expect(refused).toEqual([]);
    expect(calls.length).toBeGreaterThan(0);
  }
  const { data } = await server.graphql('{ metrics { byModel { model totalTokens totalCostUsd } } }');
  const booked = (model: string) =>
    data.metrics.byModel.find((one: { model: string }) => one.model === model).totalTokens;
  for (const { name, vendor } of models) {
    const billed = vendor === 'openai' ? openai.billedTokens() : services[vendor].billed();
    expect(booked(name), name).toBe(billed);
  }
}, 300_000);

describe('what only some of them do', () => {
  const ask = (model: string, text: string, kind = 'DOCUMENT') =>
    server.graphql(embedBatch, { texts: [text], kind, model });

  test('Titan takes one text a call, and a query is a document to it', async () => {
    const before = services.bedrock.calls.length;
    const { data } = await server.graphql(embedBatch, {
      texts: ['a', 'b', 'c'],
      kind: 'QUERY',
      model: 'titan',
    });
    expect(data.embedBatch.failures).toEqual([]);
    const calls = services.bedrock.calls.slice(before);
    expect(calls.map(({ texts, kind }) => [texts.length, kind])).toEqual(Array(3).fill([1, undefined]));
    await ask('titan', 'a');
    expect(services.bedrock.calls).toHaveLength(before + 3);
  });

  test('a call to Bedrock is signed where there is no bearer token', async () => {
    const { bedrock } = await import('../../src/index.ts');
    const variables = { AWS_ACCESS_KEY_ID: 'AKID', AWS_SECRET_ACCESS_KEY: 'secret', AWS_REGION: 'us-east-1' };
    for (const [name, value] of Object.entries(variables)) vi.stubEnv(name, value);
    const models = [
      bedrock('cohere.embed-english-v3', { region: 'eu-west-1', baseUrl: services.bedrock.url }),
      bedrock('amazon.nova-2-multimodal-embeddings-v1:0', {
        ...{ region: 'eu-west-1', baseUrl: services.bedrock.url, dimension: 384 },
      }),
    ];
    const embedder = await createEmbedder({ models });
    vi.unstubAllEnvs();
    const { vector, tokens } = await embedder.embed('cat');
    expect(Array.from(vector)).toEqual(vectorAs('doc', 'cat', 1_024));
    expect(tokens).toBe(1);
    const nova = await embedder.embedQuery('cat', { model: 'amazon.nova-2-multimodal-embeddings-v1:0' });
    expect(Array.from(nova.vector)).toEqual(vectorAs('query', 'cat', 384));
    await embedder.close();
  });

  test('a key that Google refuses with 400 is not taken for a refused text', async () => {
    const embedder = await createEmbedder({
      models: [
        (await import('../../src/index.ts')).google('gemini-embedding-001', {
          apiKey: 'wrong',
          baseUrl: services.google.url,
        }),
      ],
      cache: false,
    });
    const before = services.google.calls.length;
    const { results } = await embedder.embedMany(['a', 'b', 'c', 'd']);
    for (const result of results)
      expect(result).toMatchObject({
        code: 'PROVIDER_ERROR',
        message: /does not accept the key \(HTTP 400\); check apiKey/,
      });
    expect(services.google.calls).toHaveLength(before);
    await embedder.close();
  });

  test('the pause that Google asks for in its body is kept', async () => {
    let refusals = 0;
    services.google.misbehave = (response) => {
      refusals += 1;
      const details = [{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '3600s' }];
      sendJson(response, 429, {
        error: { code: 429, message: 'slow', status: 'RESOURCE_EXHAUSTED', details },
      });
      return true;
    };
    const { data } = await ask('gemini-embedding-001', 'a text that waits');
    services.google.misbehave = undefined;
    expect(data.embedBatch.failures).toMatchObject([{ code: 'RATE_LIMITED' }]);
    expect(refusals).toBe(1);
  });
});

describe('in a program', () => {
  test('cohere() knows its models; aiSdk() takes one that the SDK has opened, and both tell documents from queries', async () => {
    const { url: baseUrl, calls } = services.cohere;
    const opened = createCohere({ apiKey: 'cohere-key', baseURL: baseUrl }).embeddingModel('embed-v4.0');
    const embedder = await createEmbedder({
      models: [
        cohere('embed-v4.0', { apiKey: 'cohere-key', baseUrl }),
        aiSdk(opened, {
          name: 'mine',
          dimension: 1_536,
          documentOptions: { cohere: { inputType: 'search_document' } },
          queryOptions: { cohere: { inputType: 'search_query' } },
        }),
      ],
    });
    expect(embedder.models()).toMatchObject([
      { name: 'embed-v4.0', dimension: 1_536, maxBatchSize: 96, costPer1kTokens: 0.00012 },
      { name: 'mine', dimension: 1_536, maxBatchSize: 96 },
    ]);
    for (const model of ['embed-v4.0', 'mine']) {
      const before = calls.length;
      const document = await embedder.embed('cat', { model });
      const query = await embedder.embedQuery('cat', { model });
      expect(calls.slice(before).map(({ kind }) => kind)).toEqual(['doc', 'query']);
      expect(Array.from(document.vector)).toEqual(vectorAs('doc', 'cat', 1_536));
      expect(Array.from(query.vector)).toEqual(vectorAs('query', 'cat', 1_536));
    }
    await embedder.close();
  });

  test('says what is wrong with its options', async () => {
    expect(() => cohere('embed-v4.0', { apikey: 'x' } as object)).toThrow(/Did you mean apiKey/);
    expect(() => aiSdk({} as never, { dimension: 3 })).toThrow(/must be an embedding model of the AI SDK/);
    const create = (options: object) => createEmbedder({ models: [cohere('embed-v4.0', options)] });
    await expect(create({ dimension: 300 })).rejects.toThrow(/must be 256 or 512 or 1024 or 1536/);
    await expect(create({ maxBatchSize: 97 })).rejects.toThrow(/must be at most 96/);
    await expect(createEmbedder({ models: [cohere('embed-v4')] })).rejects.toThrow(
      /did you mean the model embed-v4\.0/,
    );
  });
});
