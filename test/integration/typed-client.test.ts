import { afterAll, beforeAll, expect, expectTypeOf, test } from 'vitest';
import { execute } from '../../examples/client/client.ts';
import { graphql } from '../../examples/client/generated/gql.ts';
import { rank } from '../../examples/client/similar.ts';
import { compare } from '../../examples/client/urql.ts';
import { startEmbedQL, type TestServer } from '../support/embedql.ts';

let server: TestServer;

beforeAll(async () => {
  server = await startEmbedQL();
});
afterAll(() => server.stop());

const Everything = graphql(`
  query Everything {
    models { name provider dimension maxBatchSize maxInputTokens costPer1kTokens available loaded isDefault }
    defaultModel { name }
    metrics {
      totalEmbeddingsGenerated cacheHits cacheMisses cacheHitRate totalCostUsd costSavedUsd totalTokens
      providerCalls averageBatchSize coalescedTexts modelsLoaded since byModel { model providerCalls }
    }
    health { status service version defaultModel cachingEnabled cacheBackend modelsLoaded }
  }
`);

const Reset = graphql(`
  mutation Reset {
    resetMetrics { status message previous { totalEmbeddingsGenerated providerCalls } }
  }
`);

test('the generated client has the types of the schema and gets what they promise', async () => {
  const { data, errors } = await execute(`${server.url}/graphql`, Everything);
  expect(errors).toBeUndefined();
  expectTypeOf(data!.metrics.cacheHitRate).toEqualTypeOf<number>();
  expectTypeOf(data!.health.status).toEqualTypeOf<'DEGRADED' | 'OK'>();
  expect(data!.health).toMatchObject({
    status: 'OK',
    service: 'embedql',
    cachingEnabled: true,
    cacheBackend: 'memory',
  });
  expect(
    data!.models.map(({ name, dimension, costPer1kTokens }) => [name, dimension, costPer1kTokens]),
  ).toEqual([
    ['text-embedding-3-small', 1_536, 0.00002],
    ['text-embedding-3-large', 3_072, 0.00013],
    ['text-embedding-ada-002', 1_536, 0.0001],
    ['all-MiniLM-L6-v2', 384, 0],
    ['all-mpnet-base-v2', 768, 0],
    ['multilingual-e5-small', 384, 0],
  ]);
});

test('the example ranks by meaning, and metrics count what it did', async () => {
  const ranking = await rank(
    `${server.url}/graphql`,
    ['Shares fell today.', 'The cat purrs.'],
    'feline animals',
  );
  expect(ranking.map(({ document }) => document)).toEqual(['The cat purrs.', 'Shares fell today.']);
  const { data } = await execute(`${server.url}/graphql`, Reset);
  expect(data!.resetMetrics).toMatchObject({
    status: 'success',
    previous: { totalEmbeddingsGenerated: 3, providerCalls: 1 },
  });
  const after = await execute(`${server.url}/graphql`, Everything);
  expect(after.data!.metrics).toMatchObject({
    totalEmbeddingsGenerated: 0,
    providerCalls: 0,
    cacheHitRate: 0,
    byModel: [],
  });
});

test('the example with urql does, too', async () => {
  const near = await compare(`${server.url}/graphql`, 'cat', 'feline');
  expect(near - (await compare(`${server.url}/graphql`, 'cat', 'stock market'))).toBeGreaterThan(0.2);
});
