import {
  execute,
  type GraphQLField,
  type GraphQLObjectType,
  getNamedType,
  isObjectType,
  isRequiredArgument,
  parse,
} from 'graphql';
import { expect, test } from 'vitest';
import type { Figures, Snapshot } from '../../../src/core/accounting.ts';
import { Catalogue } from '../../../src/core/catalogue.ts';
import { systemClock } from '../../../src/core/clock.ts';
import { EmbedQLError } from '../../../src/core/errors.ts';
import type { Answer, ModelRequest } from '../../../src/core/request.ts';
import { createSchema } from '../../../src/doors/graphql/schema/schema.ts';
import { plainForms } from '../../../src/wire/writer.ts';
import { FakeModel } from '../../support/fake-model.ts';

const schema = createSchema();
const huge = 2 ** 40;
const largestInt = 2 ** 31 - 1;

/** No more than there are texts in a request, or numbers in a vector, or than a setting allows. */
const boundedElsewhere = [
  'BatchFailure.index',
  'Embedding.chunks',
  'Embedding.dimension',
  'EmbeddingBatch.cachedCount',
  'EmbeddingBatch.chunks',
  'EmbeddingBatch.dimension',
  'EmbeddingBatch.totalEmbeddings',
  'EmbeddingChunk.done',
  'EmbeddingChunk.total',
  'Endpoint.inFlight',
  'Estimate.cached',
  'Estimate.distinct',
  'Estimate.empty',
  'Estimate.texts',
  'Estimate.tooLong',
  'IndexedEmbedding.index',
  'Limits.maxTexts',
  'Model.dimension',
  'Model.dimensions',
  'Model.maxBatchSize',
  'Model.maxInputTokens',
  'Neighbor.index',
  'TextChunk.end',
  'TextChunk.start',
  'TextChunk.tokens',
];

const figures: Figures = {
  generated: huge,
  cacheHits: huge,
  hitsByTier: new Map(['memory', 'disk', 'redis'].map((tier) => [tier, huge])),
  cacheMisses: huge,
  tokens: huge,
  savedTokens: huge,
  providerCalls: huge,
  textsSent: huge,
  providerMs: huge,
  coalescedTexts: huge,
  costUsd: huge,
  costSavedUsd: huge,
};
const snapshot: Snapshot = {
  ...figures,
  since: new Date(0),
  operations: huge,
  failedOperations: huge,
  timedOperations: huge,
  operationMs: huge,
  latency: { p50: huge, p95: huge, p99: huge, count: huge },
  errors: [{ code: 'RATE_LIMITED', count: huge }],
  byModel: [{ ...figures, model: 'fake' }],
};
const answer: Answer = {
  vector: new Float32Array([1]),
  tokens: huge,
  truncated: false,
  source: 'memory',
  costUsd: 0,
};
const failure = new EmbedQLError('RATE_LIMITED', 'Later.', { retryable: true, retryAfterMs: huge });
const contextValue = {
  accounting: { snapshot: () => snapshot, reset: () => snapshot },
  catalogue: new Catalogue([new FakeModel(systemClock)], 'fake'),
  embedder: { queueDepths: () => [{ model: 'fake', texts: huge }] },
  loader: {
    load: async () => answer,
    loadEach: async (requests: ModelRequest[]) =>
      requests.map(({ text }) => (text === 'bad' ? failure : answer)),
  },
  history: { last: () => [] },
  jobs: { list: async () => [{ total: huge, done: huge, cached: huge, failed: huge }] },
  operation: { announce: () => {} },
  record: { entriesFailed: () => {} },
  role: 'admin',
  vectors: plainForms,
};

const isInt = ({ type }: GraphQLField<unknown, unknown>) => getNamedType(type).name === 'Int';
const fieldsOf = (type: GraphQLObjectType) => Object.values(type.getFields());
const objectTypes = Object.values(schema.getTypeMap()).filter(
  (type) => isObjectType(type) && !type.name.startsWith('__'),
) as GraphQLObjectType[];

/** All that counts, in a type and in those below it; undefined where there is nothing. */
function selectionOf(type: GraphQLObjectType, above: readonly string[] = []): string | undefined {
  if (above.includes(type.name)) return undefined;
  const selected = fieldsOf(type).flatMap((field) => {
    if (field.args.some(isRequiredArgument)) return [];
    if (isInt(field)) return [field.name];
    const below = getNamedType(field.type);
    const selection = isObjectType(below) ? selectionOf(below, [...above, type.name]) : undefined;
    return selection ? [`${field.name} ${selection}`] : [];
  });
  return selected.length > 0 ? `{ __typename ${selected.join(' ')} }` : undefined;
}

/** Every whole number in an answer by `Type.field`. */
function countsIn(value: unknown, found: Map<string, unknown>): Map<string, unknown> {
  if (Array.isArray(value)) for (const one of value) countsIn(one, found);
  else if (typeof value === 'object' && value !== null) {
    const { __typename, ...fields } = value as Record<string, unknown>;
    for (const [name, inside] of Object.entries(fields)) {
      const numbers = [inside].flat().filter((one) => typeof one === 'number');
      if (numbers.length > 0) found.set(`${__typename}.${name}`, Math.max(...numbers));
      else countsIn(inside, found);
    }
  }
  return found;
}

test('every count fits into 32 bits, however large it has become', async () => {
  const on = (name: string) => selectionOf(schema.getType(name) as GraphQLObjectType);
  const counts = new Map<string, unknown>();
  for (const query of [
    `{ metrics ${on('Metrics')} embeddingJobs ${on('EmbeddingJob')} }`,
    `mutation {
      embed(text: "a") ${on('Embedding')}
      embedBatch(texts: ["a", "b", "bad"]) ${on('EmbeddingBatch')}
      resetMetrics ${on('ResetMetricsPayload')}
    }`,
  ]) {
    const { data, errors } = await execute({ schema, document: parse(query), contextValue });
    expect(errors).toBeUndefined();
    countsIn(data, counts);
  }
  const clamped = [...counts].filter(([name]) => !boundedElsewhere.includes(name));
  expect(clamped).toEqual(clamped.map(([name]) => [name, largestInt]));
  // A new field is either here, or bounded for a reason.
  const whole = objectTypes.flatMap((type) =>
    fieldsOf(type)
      .filter(isInt)
      .map(({ name }) => `${type.name}.${name}`),
  );
  expect([...clamped.map(([name]) => name), ...boundedElsewhere].sort()).toEqual(whole.sort());
});
