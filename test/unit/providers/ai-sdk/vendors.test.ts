import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { EmbedQLError, InputRefusedError, ServerFailedError } from '../../../../src/core/errors.ts';
import type { ModelSpec } from '../../../../src/core/model.ts';
import { silentLog, silentProgress } from '../../../../src/core/surroundings.ts';
import { readEntry } from '../../../../src/models/entry.ts';
import { readResult } from '../../../../src/providers/ai-sdk/answer.ts';
import { AiSdkModel } from '../../../../src/providers/ai-sdk/bridge.ts';
import { describeSdkFailure } from '../../../../src/providers/ai-sdk/failures.ts';
import { type Vendor, type VendorOptions, vendorProvider } from '../../../../src/providers/ai-sdk/vendor.ts';
import type { Provider } from '../../../../src/providers/provider.ts';
import { providers } from '../../../../src/providers/registry.ts';
import { bytesCounter } from '../../../../src/providers/tokens/bytes.ts';

const spec: ModelSpec = {
  name: 'm',
  provider: 'p',
  dimension: 2,
  maxBatchSize: 10,
  maxInputTokens: 20,
  costPer1kTokens: null,
  supportsDimensions: false,
};
const context = (env = {}) => ({ env, modelsDir: '', log: silentLog, progress: silentProgress });
const vendors = providers.filter(({ known }) => known);
const entry = (members: object, list: readonly Provider[] = providers) => readEntry(members, list, ['e']);

describe('the catalogue', () => {
  test.each(vendors)('of $name has everything that an entry need not say', (provider) => {
    expect(provider.knownNames!.length).toBeGreaterThan(1);
    for (const name of provider.knownNames!) {
      const read = entry({ name, provider: provider.name });
      expect(read.dimension).toBeGreaterThan(100);
      expect(read.costPer1kTokens).toBeGreaterThan(0);
      expect(read.costPer1kTokens).toBeLessThan(0.001);
      expect(read.maxInputTokens).toBeGreaterThanOrEqual(512);
      for (const size of read.matryoshka ?? []) expect(size).toBeLessThanOrEqual(read.dimension);
    }
  });

  test('says which sizes, and how many texts, a model can have', () => {
    const cohere = { name: 'embed-v4.0', provider: 'cohere' };
    expect(entry(cohere)).toMatchObject({ dimension: 1_536, matryoshka: [256, 512, 1_024, 1_536] });
    expect(entry({ ...cohere, dimension: 512 })).toMatchObject({
      ...{ dimension: 512, supportsDimensions: true, matryoshka: [256, 512] },
    });
    expect(() => entry({ ...cohere, dimension: 300 })).toThrow(/^e\.dimension: must be 256 or 512/);
    expect(() => entry({ ...cohere, maxBatchSize: 97 })).toThrow(/^e\.maxBatchSize: must be at most 96/);
    expect(() => entry({ name: 'x', provider: 'google', dimension: 9, maxBatchSize: 101 })).toThrow(
      /at most 100/,
    );
    expect(() => entry({ name: 'gemini-embedding-001', provider: 'google', dimension: 4_000 })).toThrow(
      /at most 3072/,
    );
    expect(() => entry({ name: 'embed-v4', provider: 'cohere' })).toThrow(
      /did you mean the model embed-v4\.0/,
    );
    expect(() => entry({ name: 'x', provider: 'openai' })).toThrow(/^e\.dimension: is required/);
    const unknown = entry({ name: 'embed-v9', provider: 'cohere', dimension: 64 });
    expect(unknown).toMatchObject({ dimension: 64, maxBatchSize: 96, costPer1kTokens: null });
  });

  test('is found by the name where the id is a deployment, and tells Bedrock’s families apart', () => {
    const azure = { name: 'text-embedding-3-large', id: 'mine', provider: 'azure', resourceName: 'r' };
    expect(entry(azure)).toMatchObject({ dimension: 3_072, maxBatchSize: 100, maxBatchTokens: 300_000 });
    expect(entry({ name: 'amazon.titan-embed-text-v2:0', provider: 'bedrock' })).toMatchObject({
      ...{ maxBatchSize: 1, supportsDimensions: false },
    });
    const profile = { name: 'arn', provider: 'bedrock', dimension: 1_536 };
    expect(entry(profile).maxBatchSize).toBe(1);
    expect(entry({ ...profile, modelFamily: 'cohere' }).maxBatchSize).toBe(96);
    expect(entry({ name: 'gemini-embedding-2', provider: 'google' })).toMatchObject({
      queryPrefix: 'task: search result | query: ',
      documentPrefix: 'title: none | text: ',
    });
  });
});

describe('what is missing is said before anybody asks', () => {
  const open = (members: object, env = {}) => {
    const read = entry(members);
    const provider = providers.find(({ name }) => name === read.provider)!;
    return provider.open({ ...read, options: read.options ?? {} }, context(env));
  };
  test.each([
    [{ name: 'embed-v4.0', provider: 'cohere' }, {}, 'needs COHERE_API_KEY'],
    [{ name: 'embed-v4.0', provider: 'cohere', apiKeyEnv: 'MINE' }, { COHERE_API_KEY: 'k' }, 'needs MINE'],
    [{ name: 'voyage-4', provider: 'voyage' }, { VOYAGE_API_KEY: '  ' }, 'needs VOYAGE_API_KEY'],
    [{ name: 'gemini-embedding-001', provider: 'google' }, {}, 'needs GOOGLE_GENERATIVE_AI_API_KEY'],
    [{ name: 'mistral-embed', provider: 'mistral' }, {}, 'needs MISTRAL_API_KEY'],
    [{ name: 'text-embedding-3-small', provider: 'azure' }, {}, 'needs AZURE_API_KEY'],
    [
      { name: 'text-embedding-3-small', provider: 'azure' },
      { AZURE_API_KEY: 'k' },
      'needs AZURE_RESOURCE_NAME',
    ],
    [{ name: 'cohere.embed-v4:0', provider: 'bedrock' }, {}, 'needs AWS_BEARER_TOKEN_BEDROCK'],
    [
      { name: 'cohere.embed-v4:0', provider: 'bedrock' },
      { AWS_ACCESS_KEY_ID: 'a' },
      'needs AWS_BEARER_TOKEN_BEDROCK',
    ],
    [
      { name: 'cohere.embed-v4:0', provider: 'bedrock' },
      { AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 's' },
      'needs AWS_REGION',
    ],
  ])('%o with %o %s', async (members, env, note) => {
    const model = open(members, env);
    expect(model.status()).toMatchObject({ available: false, note });
    await expect(model.identity()).rejects.toMatchObject({ code: 'PROVIDER_NOT_CONFIGURED' });
    await expect(model.embed(['x'], new AbortController().signal, { kind: 'doc' })).rejects.toMatchObject({
      code: 'PROVIDER_NOT_CONFIGURED',
    });
  });

  test('a package that nobody has installed', async () => {
    const vendor = {
      ...{ name: 'nowhere', sdk: { name: '@ai-sdk/nowhere', version: '3' }, create: 'createNowhere' },
      ...{ keyVariable: 'K', options: {}, models: {}, defaults: { maxInputTokens: 5 }, parallel: true },
      mostTexts: () => 5,
      distinguishesKinds: () => false,
      settings: () => ({ settings: {} }),
      callOptions: () => undefined,
    } satisfies Vendor<VendorOptions>;
    const model = vendorProvider(vendor).open({ ...spec, options: {} }, context());
    expect(model.status()).toMatchObject({ available: false, note: 'needs npm i @ai-sdk/nowhere@3' });
    await expect(model.identity()).rejects.toMatchObject({
      code: 'PROVIDER_NOT_CONFIGURED',
      message: /run "npm i @ai-sdk\/nowhere@3"/,
    });
    const other = { ...vendor, sdk: { name: '@ai-sdk/cohere', version: '3' } };
    const wrong = vendorProvider(other).open({ ...spec, options: {} }, context());
    expect(wrong.status().available).toBe(true);
    await expect(wrong.embed(['x'], new AbortController().signal, { kind: 'doc' })).rejects.toMatchObject({
      code: 'PROVIDER_NOT_CONFIGURED',
      message: /this version of @ai-sdk\/cohere/,
    });
  });
});

describe('what the SDK throws', () => {
  const apiError = (members: object) =>
    Object.assign(
      new Error('a text, a key'),
      { [Symbol.for('vercel.ai.error.AI_APICallError')]: true },
      members,
    );
  const explain = (members: object) => describeSdkFailure(apiError(members), spec, 'KEY') as EmbedQLError;

  test.each([
    [{ statusCode: 401 }, { code: 'PROVIDER_ERROR', retryable: false, message: /check KEY/ }],
    [{ statusCode: 404 }, { code: 'PROVIDER_ERROR', retryable: false }],
    [
      { statusCode: 429, responseHeaders: { 'retry-after': '7' } },
      { code: 'RATE_LIMITED', retryAfterMs: 7_000 },
    ],
    [
      { statusCode: 503, responseHeaders: {} },
      { retryable: true, isOutage: true },
    ],
    [{ statusCode: 500 }, { retryable: true, isOutage: false }],
    [
      { statusCode: undefined, isRetryable: true },
      { code: 'PROVIDER_ERROR', retryable: true },
    ],
    [
      { statusCode: 200, isRetryable: true },
      { message: /closed the connection/, retryable: true },
    ],
    [
      { statusCode: 200, isRetryable: false },
      { message: /not an embeddings answer/, retryable: false },
    ],
    [{ statusCode: 302 }, { retryable: false }],
  ])('%o', (members, expected) => {
    const failure = explain(members);
    expect(failure).toBeInstanceOf(EmbedQLError);
    expect(failure).toMatchObject(expected);
    expect(failure.message).not.toContain('a text');
  });

  test('a refused input is one, a server that failed is one, and a defect stays what it is', () => {
    for (const statusCode of [400, 413, 422])
      expect(explain({ statusCode })).toBeInstanceOf(InputRefusedError);
    expect(explain({ statusCode: 502 })).toBeInstanceOf(ServerFailedError);
    const defect = new TypeError('x is not a function');
    expect(describeSdkFailure(defect, spec, 'KEY')).toBe(defect);
  });
});

describe('an answer', () => {
  const read = (embeddings: unknown, more: object = {}) =>
    readResult({ embeddings, ...more } as never, 2, spec);
  test('is put in order by its numbers, where it has them all', () => {
    const body = (...indexes: unknown[]) => ({
      response: { body: { data: indexes.map((index) => ({ index })) } },
    });
    const vectors = [
      [1, 1],
      [2, 2],
    ];
    const first = (more: object) => read(vectors, more).vectors.map(([value]) => value);
    expect(first({})).toEqual([1, 2]);
    expect(first(body(1, 0))).toEqual([2, 1]);
    expect(first(body(undefined, 0))).toEqual([1, 2]);
    expect(first(body(0))).toEqual([1, 2]);
    for (const wrong of [body(0, 0), body(0, 2), body(-1, 0)])
      expect(() => read(vectors, wrong)).toThrow(/numbered its vectors wrongly/);
  });

  test.each([
    undefined,
    null,
    {},
    [],
    [[1, 1]],
    [
      [1, 1],
      [2, 2],
      [3, 3],
    ],
    [[1, 1], null],
    [[1, 1], 'x'],
  ])('such as %o is refused', (embeddings) => expect(() => read(embeddings)).toThrow(EmbedQLError));

  test('tells its tokens, or does not', () => {
    const tokens = (more: object) =>
      read(
        [
          [1, 1],
          [2, 2],
        ],
        more,
      ).tokens;
    expect(tokens({ usage: { tokens: 7 } })).toBe(7);
    for (const nothing of [
      {},
      { usage: undefined },
      { usage: { tokens: Number.NaN } },
      { usage: { tokens: 0 } },
    ])
      expect(tokens(nothing)).toBeUndefined();
    expect(tokens({ response: { body: { usageMetadata: { promptTokenCount: 5 } } } })).toBe(5);
  });

  test('without tokens is estimated and marked; the SDK is told the kind, and given one text for one', async () => {
    const told: unknown[] = [];
    const model = new AiSdkModel({
      ...{ spec, log: silentLog, key: 'K', counter: bytesCounter, distinguishesKinds: true, parallel: false },
      callOptions: (kind) => ({ p: { kind } }),
      load: async () => ({
        ...{ specificationVersion: 'v3', provider: 'p', modelId: 'm' },
        ...{ maxEmbeddingsPerCall: 10, supportsParallelCalls: false },
        async doEmbed({ values, providerOptions }) {
          told.push(providerOptions);
          return { embeddings: values.map((text) => [text.length, 1]) };
        },
      }),
    });
    expect(model.maxConcurrency).toBe(1);
    const embedded = await model.embed(['one two', 'x'], new AbortController().signal, { kind: 'query' });
    expect(told).toEqual([{ p: { kind: 'query' } }]);
    expect(embedded).toMatchObject([
      { tokens: 2, tokensEstimated: true },
      { tokens: 1, tokensEstimated: true },
    ]);
  });
});

describe('bytes', () => {
  test('cut no character in two, and pass no limit', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.string({ unit: 'binary', maxLength: 60 }),
        fc.integer({ min: 1, max: 80 }),
        async (text, limit) => {
          const [cut] = await bytesCounter.cut([text], limit);
          expect(text.startsWith(cut!.text)).toBe(true);
          expect(Buffer.byteLength(cut!.text)).toBe(cut!.tokens);
          expect(cut!.tokens).toBeLessThanOrEqual(limit);
          expect(cut!.truncated).toBe(cut!.text !== text);
          // The next character would not have fitted.
          const next = [...text.slice(cut!.text.length)][0] ?? '';
          if (cut!.truncated) expect(cut!.tokens + Buffer.byteLength(next)).toBeGreaterThan(limit);
          expect(await bytesCounter.count([text])).toEqual([Buffer.byteLength(text)]);
        },
      ),
    );
  });
});
