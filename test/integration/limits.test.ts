import { getIntrospectionQuery } from 'graphql';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startEmbedQL, type TestServer } from '../support/embedql.ts';
import { type ProviderServer, startProvider } from '../support/provider-server.ts';

let provider: ProviderServer;
let server: TestServer;

beforeAll(async () => {
  provider = await startProvider();
  server = await startEmbedQL({ ...provider.env, EMBEDQL_MAX_TEXTS: '1500', EMBEDQL_MAX_TOKENS: '2000' });
});
beforeEach(() => provider.forget());
afterAll(async () => {
  await server.stop();
  await provider.close();
});

const repeat = (count: number, make: (i: number) => string) =>
  Array.from({ length: count }, (_, i) => make(i)).join(' ');
const costly = { extensions: expect.objectContaining({ code: 'COST_LIMIT_EXCEEDED', retryable: false }) };

describe('documents that nobody needs are refused before they cost anything', () => {
  test.each([
    ['more tokens than any operation has', `{ ${repeat(60_000, (i) => `a${i}: __typename`)} }`, /tokens/],
    ['selections nested without an end', `{ ${'a {'.repeat(30)} b ${'}'.repeat(30)} }`, /nested too deep/],
    [
      'a parser that calls itself for ever',
      `{ a(b: ${'['.repeat(45_000)}1${']'.repeat(45_000)}) }`,
      /nested too deep/,
    ],
    [
      'list types inside list types',
      `query($a: ${'['.repeat(45_000)}Int${']'.repeat(45_000)}) { a }`,
      /nested too deep/,
    ],
    ['directives on one field', `{ health ${'@include(if: true) '.repeat(11)} { status } }`, /directives/],
    [
      'aliases of a field that is work every time',
      `{ ${repeat(17, (i) => `a${i}: metrics { since }`)} }`,
      /aliases/,
    ],
    [
      'aliases of one large answer',
      `mutation { embed(text: "a") { ${repeat(17, (i) => `v${i}: embedding`)} } }`,
      /aliases/,
    ],
    [
      'aliases that hide in fragments',
      `{ ...A ...B } fragment A on Query { ${repeat(9, (i) => `a${i}: metrics { since }`)} } fragment B on Query { ... { ${repeat(9, (i) => `b${i}: metrics { since }`)} } }`,
      /aliases/,
    ],
    ['the same name again and again', `{ ${'health { status } '.repeat(33)} }`, /same name/],
    [
      'fragments that multiply',
      `{ ...F0 } ${repeat(18, (i) => `fragment F${i} on Query { a: health { ...F${i + 1} } b: health { ...F${i + 1} } }`)} fragment F18 on Query { health { status } }`,
      /fields|nested/,
    ],
    ['fragments that go round', '{ ...A } fragment A on Query { health { ...A } }', /nested too deep/],
  ])('%s', async (_name, query, message) => {
    const { data, errors } = await server.graphql(query);
    expect(data).toBeUndefined();
    expect(errors).toEqual([{ message: expect.stringMatching(message), ...costly }]);
    // And the server is there for the next one.
    expect((await server.graphql('{ __typename }')).data).toEqual({ __typename: 'Query' });
  });

  test('what people and tools send is let through', async () => {
    const introspection = await server.graphql(getIntrospectionQuery({ descriptions: true, oneOf: false }));
    expect(introspection.errors).toBeUndefined();
    const facts = '{ ...Facts embedding dimension }';
    const query = `mutation { ${repeat(1_000, (i) => `a${i}: embed(text: "${i % 500}", model: "text-embedding-3-small", useCache: true, truncate: true) ${facts}`)} }
      fragment Facts on Embedding { v: embedding w: embeddingBase64 model cached cost tokens truncated }`;
    const { data, errors } = await server.graphql(query);
    expect(errors).toBeUndefined();
    expect(Object.keys(data)).toHaveLength(1_000);
    expect(provider.calls).toHaveLength(5);
  });
});

describe('texts and tokens are counted over everything that one request asks for', () => {
  const words = (count: number) => Array.from({ length: count }, (_, i) => `w${i % 10}`).join(' ');

  test.each([
    [
      'fields',
      `mutation { a: embed(text: "${words(600)}") { model } b: embedQuery(query: "${words(601)}") { model } }`,
    ],
    ['a batch', `mutation { embedBatch(texts: ["${words(600)}", "${words(601)}"]) { model } }`],
    ['similarity', `{ similarity(a: "${words(600)}", b: "${words(601)}") }`],
    [
      'entities',
      `{ _entities(representations: [{ __typename: "EmbeddedText", text: "${words(600)}" }, { __typename: "EmbeddedText", text: "${words(601)}" }]) { __typename } }`,
    ],
  ])('tokens in %s', async (_name, query) => {
    const { data, errors } = await server.graphql(query);
    expect(data).toBeUndefined();
    expect(errors).toEqual([{ message: expect.stringContaining('EMBEDQL_MAX_TOKENS'), ...costly }]);
    expect(provider.calls).toHaveLength(0);
  });

  test.each(['constructor', 'toString', '__proto__', 'hasOwnProperty'])(
    'texts beside an option whose variable is called %s and has no value',
    async (name) => {
      const texts = Array.from({ length: 1_501 }, (_, i) => `text ${i}`);
      const query = `mutation($${name}: String, $texts: [String!]!) { embedBatch(texts: $texts, model: $${name}) { model } }`;
      expect(await server.graphql(query, { texts })).toEqual({
        errors: [{ message: expect.stringContaining('EMBEDQL_MAX_TEXTS'), ...costly }],
      });
      expect(provider.calls).toHaveLength(0);
    },
  );

  test('tokens are counted exactly, and of a text no more than its model reads', async () => {
    // 8,000 bytes and 900 tokens; then one text of 400,000 bytes, of which the local model reads 256 tokens.
    const { errors } = await server.graphql(
      `mutation { embed(text: "${'internationalization '.repeat(380)}") { tokens } }`,
    );
    expect(errors).toBeUndefined();
    const long = await server.graphql(
      `mutation($text: String!) { embed(text: $text, model: "all-MiniLM-L6-v2") { truncated } }`,
      { text: 'cat '.repeat(100_000) },
    );
    expect(long).toEqual({ data: { embed: { truncated: true } } });
  });

  test('texts in a stream, and at the door of OpenAI', async () => {
    const texts = Array.from({ length: 1_501 }, (_, i) => `text ${i}`);
    const stream = await server.post(
      {
        query: 'subscription($texts: [String!]!) { embedStream(texts: $texts) { done } }',
        variables: { texts },
      },
      { headers: { accept: 'text/event-stream' } },
    );
    expect(await stream.text()).toContain('COST_LIMIT_EXCEEDED');
    const openai = await fetch(`${server.url}/v1/embeddings`, {
      method: 'POST',
      body: JSON.stringify({ input: texts }),
    });
    expect(openai.status).toBe(400);
    expect(await openai.json()).toMatchObject({ error: { code: 'cost_limit_exceeded' } });
    expect(provider.calls).toHaveLength(0);
  });
});
