import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startEmbedQL, type TestServer } from '../support/embedql.ts';
import { type ProviderServer, startProvider } from '../support/provider-server.ts';

let provider: ProviderServer;
let server: TestServer;

beforeAll(async () => {
  provider = await startProvider();
  server = await startEmbedQL(provider.env);
});
afterAll(async () => {
  await server.stop();
  await provider.close();
});

const secret = 'the quick brown secret';

describe('a wrong argument is a coded error of its field and costs nobody else anything', () => {
  test.each([
    ['an empty text', 'embed(text: "") { cost }', 'BAD_USER_INPUT', /empty/],
    ['a blank text', 'embed(text: " \\n\\t ") { cost }', 'BAD_USER_INPUT', /empty/],
    ['an empty query', 'embedQuery(query: " ") { cost }', 'BAD_USER_INPUT', /empty/],
    ['no texts', 'embedBatch(texts: []) { dimension }', 'BAD_USER_INPUT', /no text to embed/],
    ['only empty texts', 'embedBatch(texts: ["", " "]) { dimension }', 'BAD_USER_INPUT', /no text to embed/],
    [
      'an unknown model',
      'embed(text: "a", model: "nope") { cost }',
      'MODEL_NOT_FOUND',
      /text-embedding-3-small.*all-MiniLM-L6-v2/,
    ],
    [
      'a model that is nearly right',
      'embed(text: "a", model: "text-embedding-3-smal") { cost }',
      'MODEL_NOT_FOUND',
      /Did you mean text-embedding-3-small\?/,
    ],
    ['no dimensions', 'embed(text: "a", dimensions: 0) { cost }', 'BAD_USER_INPUT', /from 1 to 1536/],
    [
      'too many dimensions',
      'embed(text: "a", dimensions: 1537) { cost }',
      'BAD_USER_INPUT',
      /from 1 to 1536/,
    ],
    [
      'dimensions of a model with one',
      'embed(text: "a", model: "text-embedding-ada-002", dimensions: 5) { cost }',
      'BAD_USER_INPUT',
      /leave out dimensions/,
    ],
    [
      'a batch size of 0',
      'embedBatch(texts: ["a"], batchSize: 0) { dimension }',
      'BAD_USER_INPUT',
      /from 1 to 100/,
    ],
    [
      'a batch size over the limit',
      'embedBatch(texts: ["a"], batchSize: 101) { dimension }',
      'BAD_USER_INPUT',
      /from 1 to 100/,
    ],
  ])('%s', async (_name, field, code, message) => {
    const { data, errors } = await server.graphql(
      `mutation { wrong: ${field} right: embed(text: "a neighbour") { dimension } }`,
    );
    expect(data).toEqual({ wrong: null, right: { dimension: 1_536 } });
    expect(errors).toHaveLength(1);
    expect(errors![0]).toMatchObject({ path: ['wrong'], extensions: { code, retryable: false } });
    expect(errors![0]!.message).toMatch(message);
  });

  test('empty texts of a batch are not sent and are reported', async () => {
    provider.forget();
    const { data } = await server.graphql(
      'mutation { embedBatch(texts: ["x1", "", "x2", "  "]) { embeddings dimension totalEmbeddings totalTokens failures { index code } } }',
    );
    expect(data.embedBatch.embeddings.map((vector: unknown) => vector !== null)).toEqual([
      true,
      false,
      true,
      false,
    ]);
    expect(data.embedBatch).toMatchObject({ totalEmbeddings: 2, dimension: 1_536 });
    expect(data.embedBatch.failures).toEqual([
      { index: 1, code: 'BAD_USER_INPUT' },
      { index: 3, code: 'BAD_USER_INPUT' },
    ]);
    expect(provider.calls.map(({ input }) => input)).toEqual([['x1', 'x2']]);
  });

  test('explicit nulls mean the defaults', async () => {
    const { data, errors } = await server.graphql(
      'mutation { embedBatch(texts: ["n"], model: null, batchSize: null, useCache: null, dimensions: null, truncate: null) { dimension model } }',
    );
    expect(errors).toBeUndefined();
    expect(data.embedBatch).toEqual({ dimension: 1_536, model: 'text-embedding-3-small' });
  });
});

describe('no message repeats what was sent', () => {
  test.each([
    ['a variable of the wrong type', 'mutation($t: String!) { embed(text: $t) { cost } }', { t: [secret] }],
    [
      'a variable that is an object',
      'mutation($t: String!) { embed(text: $t) { cost } }',
      { t: { a: secret, b: '; ' } },
    ],
    ['a literal of the wrong type', `mutation { embed(text: ["${secret}"]) { cost } }`, {}],
    ['a text where a number belongs', `mutation { embed(text: "a", dimensions: "${secret}") { cost } }`, {}],
    ['a syntax error at a text', `mutation { embed(text: "a" "${secret}") { cost } }`, {}],
    ['a syntax error at a block text', `mutation { embed """${secret}""" }`, {}],
    ['a variable that is missing', 'mutation($t: String!) { embed(text: $t) { cost } }', {}],
    ['a field that does not exist', 'mutation { embed(text: "a") { costs } }', {}],
  ])('%s', async (_name, query, variables) => {
    const answer = await server.graphql(query, variables);
    expect(answer.errors!.length).toBeGreaterThan(0);
    for (const error of answer.errors!)
      expect(error.extensions).toMatchObject({ code: 'BAD_USER_INPUT', retryable: false });
    expect(JSON.stringify(answer)).not.toContain('quick brown');
  });
});

test('an operation over EMBEDQL_MAX_TEXTS is refused before anything of it runs', async () => {
  const small = await startEmbedQL({ ...provider.env, EMBEDQL_MAX_TEXTS: '5' });
  provider.forget();
  const ask = (n: number) =>
    small.graphql(
      `mutation { a: embed(text: "one") { cost } embedBatch(texts: ${JSON.stringify(Array.from({ length: n }, (_, i) => `t${i}`))}) { dimension } }`,
    );
  const { data, errors } = await ask(5);
  expect(data).toBeUndefined();
  expect(errors![0]!.extensions).toEqual({ code: 'COST_LIMIT_EXCEEDED', retryable: false });
  expect(provider.calls).toEqual([]);
  expect((await ask(4)).errors).toBeUndefined();
  await small.stop();
});

test('without a key the models are listed, and asking for one names the variable to set', async () => {
  const keyless = await startEmbedQL();
  const { data } = await keyless.graphql(
    '{ models { name available unavailableReason isDefault } defaultModel { name } }',
  );
  expect(data.defaultModel.name).toBe('all-MiniLM-L6-v2');
  expect(data.models[0]).toEqual({
    name: 'text-embedding-3-small',
    available: false,
    unavailableReason: expect.stringContaining('OPENAI_API_KEY'),
    isDefault: false,
  });
  for (const field of [
    'embed(text: "a", model: "text-embedding-3-small") { cost }',
    'embedBatch(texts: ["a"], model: "text-embedding-3-small") { dimension }',
  ]) {
    const { errors } = await keyless.graphql(`mutation { ${field} }`);
    expect(errors![0]!.extensions).toEqual({ code: 'PROVIDER_NOT_CONFIGURED', retryable: false });
    expect(errors![0]!.message).toContain('OPENAI_API_KEY');
  }
  await keyless.stop();
});
