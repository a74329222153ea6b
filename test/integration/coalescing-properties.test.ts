import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { execute, parse } from 'graphql';
import { expect, test } from 'vitest';
import { variableOf } from '../../src/config/config.ts';
import { type ModelRequest, unlimited } from '../../src/core/request.ts';
import { codedError } from '../../src/doors/graphql/coded-error.ts';
import { createSchema } from '../../src/doors/graphql/schema/schema.ts';
import { plainForms } from '../../src/wire/writer.ts';
import { type GraphQLAnswer, startEmbedQL, type TestServer } from '../support/embedql.ts';
import { type ProviderServer, startProvider, testKey } from '../support/provider-server.ts';
import { type Field, type Operation, operations } from '../support/random-operations.ts';

const batchLimit = 5;
const schema = createSchema();

/** A server with two models, one of which takes few texts a call. */
async function startPair(): Promise<{ provider: ProviderServer; server: TestServer }> {
  const provider = await startProvider();
  const file = path.join(await mkdtemp(path.join(tmpdir(), 'embedql-')), 'models.json');
  const entry = {
    provider: 'openai',
    baseUrl: provider.url,
    apiKeyEnv: 'TEST_KEY',
    dimension: 1_536,
    supportsDimensions: true,
  };
  const models = [
    { ...entry, name: 'small-batches', id: 'text-embedding-3-small', maxBatchSize: batchLimit },
    { ...entry, name: 'other', id: 'text-embedding-ada-002' },
  ];
  await writeFile(file, JSON.stringify({ models }));
  const server = await startEmbedQL({
    EMBEDQL_MODELS_FILE: file,
    EMBEDQL_DEFAULT_MODEL: 'other',
    TEST_KEY: testKey,
  });
  return { provider, server };
}

/** What the executor of graphql-js gives when nothing looks ahead and every text is a call of its own. */
async function runSerially({ app }: TestServer, { query, variables }: Operation): Promise<GraphQLAnswer> {
  const { services } = app;
  const contextValue = {
    ...services,
    role: 'admin',
    operation: { announce: () => {} },
    vectors: plainForms,
    record: { entriesFailed: () => {} },
    loader: {
      load: async (request: ModelRequest) => {
        const [answer] = await services.embedder.embedMany([request], unlimited);
        if (answer instanceof Error) throw answer;
        return answer;
      },
      loadEach: async (requests: ModelRequest[]) =>
        Promise.all(
          requests.map(async (request) => (await services.embedder.embedMany([request], unlimited))[0]),
        ),
    },
  };
  const result = await execute({ schema, document: parse(query), variableValues: variables, contextValue });
  return JSON.parse(
    JSON.stringify({ ...result, errors: result.errors?.map((error) => codedError(error, variableOf)) }),
  );
}

/** Texts that a run must have computed, by model; what it computes is in `cached` afterwards. */
function callsAllowed(running: readonly Field[], cached: Set<string>): { calls: number; refusals: number } {
  let calls = 0;
  const refused = new Set<string>();
  let wanted = new Map<string, boolean>();
  const endRun = () => {
    for (const model of ['small-batches', 'other']) {
      const texts = [...wanted.keys()].filter((key) => key.startsWith(model)).length;
      calls += Math.ceil(texts / (model === 'other' ? 100 : batchLimit));
    }
    for (const [key, keep] of wanted) if (keep && !key.includes('☠')) cached.add(key);
    wanted = new Map();
  };
  for (const { kind, texts, model = 'other', useCache, dimensions } of running) {
    if (kind === 'resetMetrics') endRun();
    if (kind === 'resetMetrics' || kind === '__typename' || model === 'nowhere') continue;
    if (dimensions === 0) continue;
    for (const text of kind === 'embedBatch' ? texts : texts.slice(0, 1)) {
      // These models embed queries like documents, so that a text is the same as both.
      const key = `${model} ${text}`;
      if (text.trim() === '' || (useCache && cached.has(key))) continue;
      if (text.includes('☠')) refused.add(key);
      wanted.set(key, useCache || wanted.get(key) === true);
    }
  }
  endRun();
  return { calls, refusals: refused.size };
}

const comparable = ({ data, errors }: GraphQLAnswer) => ({
  data,
  errors: errors?.map(({ message, path: where, extensions }) => ({ message, path: where, extensions })),
});

/** Later cases must not find the texts of earlier ones in the cache. */
function inCase(n: number, operation: Operation): Operation {
  const mark = (text: string) => (text.trim() === '' ? text : `${text} ${n}`);
  const value = (given: unknown) =>
    Array.isArray(given) ? given.map(mark) : typeof given === 'string' ? mark(given) : given;
  return {
    query: operation.query.replace(/"((?:☠ )?[a-z]+)"/g, (whole, text: string) =>
      ['small-batches', 'other', 'nowhere'].includes(text) ? whole : `"${mark(text)}"`,
    ),
    variables: Object.fromEntries(
      Object.entries(operation.variables).map(([name, given]) => [name, value(given)]),
    ),
    running: operation.running.map((field) => ({ ...field, texts: field.texts.map(mark) })),
  };
}

test('any operation gives what serial execution gives, in the number of calls that the contract allows', async () => {
  const [ours, reference] = await Promise.all([startPair(), startPair()]);
  let n = 0;
  await fc.assert(
    fc.asyncProperty(operations, async (random) => {
      const operation = inCase(++n, random);
      ours.provider.forget();
      for (const { app } of [ours.server, reference.server]) app.services.accounting.reset();
      const [answer, expected] = await Promise.all([
        ours.server.graphql(operation.query, operation.variables),
        runSerially(reference.server, operation),
      ]);
      if (operation.running.some(({ useCache }) => !useCache)) {
        // Serially such a text is computed each time it is asked for; together once. Only figures tell.
        for (const figures of [answer, expected]) forgetFigures(figures);
      }
      expect(comparable(answer)).toEqual(comparable(expected));
      const { calls, refusals } = callsAllowed(operation.running, new Set());
      const made = ours.provider.calls.length;
      if (refusals === 0) expect(made).toBe(calls);
      else expect(made).toBeLessThanOrEqual(calls + refusals * 4 * Math.ceil(Math.log2(100)));
    }),
    { numRuns: Number(process.env['PROPERTY_RUNS'] ?? 150), endOnFailure: false },
  );
  for (const { server, provider } of [ours, reference]) {
    await server.stop();
    await provider.close();
  }
});

function forgetFigures({ data }: GraphQLAnswer): void {
  for (const field of Object.values(data ?? {}) as Array<{ previous?: unknown } | string | null>) {
    if (field && typeof field === 'object' && 'previous' in field) field.previous = 'figures';
  }
}
