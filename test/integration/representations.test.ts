import fc from 'fast-check';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type GraphQLAnswer, startEmbedQL, type TestServer } from '../support/embedql.ts';
import { type ProviderServer, startProvider, vectorOf } from '../support/provider-server.ts';
import { asFloat32 } from '../support/vectors.ts';

const lines: Array<{ level: number; msg: string }> = [];
const log = pino({ level: 'info' }, { write: (line: string) => void lines.push(JSON.parse(line)) });
const ours = () => lines.filter(({ level }) => level >= 40);

let provider: ProviderServer;
let server: TestServer;

beforeAll(async () => {
  provider = await startProvider();
  server = await startEmbedQL(provider.env, undefined, log);
});
beforeEach(() => {
  provider.forget();
  lines.length = 0;
});
afterEach(() => expect(ours()).toEqual([]));
afterAll(async () => {
  await server.stop();
  await provider.close();
});

let texts = 0;
const fresh = () => `text of a representation ${++texts}`;
const query = `query($representations: [_Any!]!) { _entities(representations: $representations) {
  __typename
  ... on EmbeddedText { text model embedding { embedding } }
  ... on Model { name dimension }
} }`;
const entities = (representations: readonly unknown[], on = server) => on.graphql(query, { representations });
const sent = () => provider.calls.flatMap(({ input }) => input);
const places = ({ errors = [] }: GraphQLAnswer) =>
  errors.map(({ path, extensions }) => [path, extensions['code']]);

/** Representations that stand for nothing, and the code that says so. JSON, as it comes over the wire. */
const wrong = (
  [
    ['an empty object', '{}'],
    ['a string', '"EmbeddedText"'],
    ['a number', '5'],
    ['false', 'false'],
    ['an empty list', '[]'],
    ['a list with a good one', '[{"__typename":"EmbeddedText","text":"in a list"}]'],
    ['no type', '{"text":"without a type"}'],
    ['a type of null', '{"__typename":null,"text":"x"}'],
    ['a type that is a number', '{"__typename":5,"text":"x"}'],
    ['a type that is a list', '{"__typename":["EmbeddedText"],"text":"x"}'],
    ['a type that is not there', '{"__typename":"Nope","text":"x"}'],
    ['a type that is no entity', '{"__typename":"Query"}'],
    ['a scalar', '{"__typename":"String"}'],
    ['the union itself', '{"__typename":"_Entity"}'],
    ['__proto__ as a type', '{"__typename":"__proto__"}'],
    ['constructor as a type', '{"__typename":"constructor"}'],
    ['toString as a type', '{"__typename":"toString"}'],
    ['a good one as __proto__', '{"__proto__":{"__typename":"EmbeddedText","text":"of the prototype"}}'],
    ['a text of the prototype', '{"__typename":"EmbeddedText","__proto__":{"text":"of the prototype"}}'],
    ['no text', '{"__typename":"EmbeddedText"}'],
    ['null as text', '{"__typename":"EmbeddedText","text":null}'],
    ['a number as text', '{"__typename":"EmbeddedText","text":5}'],
    ['true as text', '{"__typename":"EmbeddedText","text":true}'],
    ['a list as text', '{"__typename":"EmbeddedText","text":["a"]}'],
    ['an object as text', '{"__typename":"EmbeddedText","text":{"trim":"a"}}'],
    ['an empty text', '{"__typename":"EmbeddedText","text":""}'],
    ['a blank text', '{"__typename":"EmbeddedText","text":" \\n "}'],
    ['a number as the model of a text', '{"__typename":"EmbeddedText","text":"x","model":5}'],
    [
      'a list as the model of a text',
      '{"__typename":"EmbeddedText","text":"x","model":["text-embedding-3-small"]}',
    ],
    [
      'a text for a model that is not there',
      '{"__typename":"EmbeddedText","text":"x","model":"nope"}',
      'MODEL_NOT_FOUND',
    ],
    [
      'a text for __proto__',
      '{"__typename":"EmbeddedText","text":"x","model":"__proto__"}',
      'MODEL_NOT_FOUND',
    ],
    ['no name', '{"__typename":"Model"}'],
    ['null as name', '{"__typename":"Model","name":null}'],
    ['a number as name', '{"__typename":"Model","name":5}'],
    ['an object as name', '{"__typename":"Model","name":{}}'],
    ['a model that is not there', '{"__typename":"Model","name":"nope"}', 'MODEL_NOT_FOUND'],
    ['an empty name', '{"__typename":"Model","name":""}', 'MODEL_NOT_FOUND'],
  ] satisfies Array<[name: string, json: string, code?: string]>
).map(([name, json, code = 'BAD_USER_INPUT']) => [name, json, code] as const);

describe('a wrong representation is null in its place, with an error there', () => {
  test.each(wrong)('%s', async (_name, json, code) => {
    const text = fresh();
    const good = { __typename: 'EmbeddedText', text };
    const body = {
      query,
      variables: { representations: [good, 'HERE', { __typename: 'Model', name: 'text-embedding-3-large' }] },
    };
    const answer = await (await server.post(JSON.stringify(body).replace('"HERE"', () => json))).json();
    expect((answer as GraphQLAnswer).data._entities).toEqual([
      { ...good, model: 'text-embedding-3-small', embedding: { embedding: expect.any(Array) } },
      null,
      { __typename: 'Model', name: 'text-embedding-3-large', dimension: 3_072 },
    ]);
    expect(places(answer as GraphQLAnswer)).toEqual([[['_entities', 1], code]]);
    expect(sent()).toEqual([text]);
  });

  test('also where it is written into the document', async () => {
    const answer = await server.graphql(
      '{ _entities(representations: [{ __typename: "Model" }, 5, [], A, { __typename: "Model", name: "all-MiniLM-L6-v2" }]) { ... on Model { name } } }',
    );
    expect(answer.data._entities).toEqual([null, null, null, null, { name: 'all-MiniLM-L6-v2' }]);
    expect(places(answer)).toEqual([0, 1, 2, 3].map((i) => [['_entities', i], 'BAD_USER_INPUT']));
  });

  test('in any order: the good ones are answered, each distinct text once, in one call for each model', async () => {
    const stub = fc.oneof(
      fc.record({ good: fc.constant(true), text: fc.nat(9), ada: fc.boolean() }),
      fc.constantFrom(...wrong).map(([, json, code]) => ({ json, code })),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(stub, { maxLength: 30 }), async (stubs) => {
        provider.forget();
        const round = fresh();
        const stubOf = (text: number, ada: boolean) => ({
          __typename: 'EmbeddedText',
          text: `${round} ${text}`,
          ...(ada ? { model: 'text-embedding-ada-002' } : {}),
        });
        const answer = await entities(
          stubs.map((one) => ('json' in one ? JSON.parse(one.json) : stubOf(one.text, one.ada))),
        );
        const distinct = new Set<string>();
        const failed: unknown[] = [];
        for (const [i, one] of stubs.entries()) {
          const got = answer.data._entities[i];
          if ('json' in one) {
            expect(got).toBeNull();
            failed.push([['_entities', i], one.code]);
            continue;
          }
          const { text, model = 'text-embedding-3-small' } = stubOf(one.text, one.ada);
          expect(got).toMatchObject({ text, model });
          expect(asFloat32(got.embedding.embedding)).toEqual(Array.from(vectorOf(text)));
          distinct.add(`${model} ${text}`);
        }
        expect(places(answer)).toEqual(failed);
        expect(
          provider.calls.flatMap(({ model, input }) => input.map((text) => `${model} ${text}`)).sort(),
        ).toEqual([...distinct].sort());
        const models = provider.calls.map(({ model }) => model);
        expect(models).toHaveLength(new Set(models).size);
        expect(ours()).toEqual([]);
      }),
      { numRuns: 40 },
    );
  });
});

test('no field that computes, nothing computed', async () => {
  const { data } = await server.graphql(
    'query($r: [_Any!]!) { _entities(representations: $r) { ... on EmbeddedText { text embedding @skip(if: true) { cost } } } }',
    { r: [{ __typename: 'EmbeddedText', text: 'only named' }] },
  );
  expect(data._entities).toEqual([{ text: 'only named' }]);
  expect(provider.calls).toEqual([]);
});

describe('representations count before anything runs', () => {
  let small: TestServer;
  beforeAll(async () => {
    const keys = { EMBEDQL_API_KEYS: 'web:k1', EMBEDQL_KEY_LIMITS: 'web:100/min' };
    small = await startEmbedQL({ ...provider.env, ...keys, EMBEDQL_MAX_TEXTS: '10' }, undefined, log);
  });
  afterAll(() => small.stop());

  const ask = (document: string, representations: readonly unknown[]) =>
    small.graphql(document, { representations }, { headers: { authorization: 'Bearer k1' } });
  const costly = [{ extensions: { code: 'COST_LIMIT_EXCEEDED', retryable: false } }];
  const stubs = (count: number) =>
    Array.from({ length: count }, () => ({ __typename: 'EmbeddedText', text: fresh() }));

  test.each(wrong)('50 good ones and %s', async (_name, json) => {
    for (const list of [
      [JSON.parse(json), ...stubs(50)],
      [...stubs(50), JSON.parse(json)],
    ]) {
      const { data, errors } = await ask(query, list);
      expect(data).toBeUndefined();
      expect(errors).toMatchObject(costly);
    }
    expect(provider.calls).toEqual([]);
  });

  test.each(wrong)('11 of %s', async (_name, json) => {
    const { data, errors } = await ask(query, new Array(11).fill(JSON.parse(json)));
    expect(data).toBeUndefined();
    expect(errors).toMatchObject(costly);
  });

  test('over all aliases and fields together', async () => {
    const twice =
      'query($representations: [_Any!]!) { a: _entities(representations: $representations) { __typename } b: _entities(representations: $representations) { __typename } }';
    const models = new Array(6).fill({ __typename: 'Model', name: 'text-embedding-3-large' });
    expect(await ask(twice, models)).toMatchObject({ errors: costly });
    expect((await ask(twice, models.slice(1))).errors).toBeUndefined();
    const beside =
      'query($representations: [_Any!]!) { similarity(a: "a", b: "b") _entities(representations: $representations) { __typename } }';
    expect(await ask(beside, new Array(9).fill(models[0]))).toMatchObject({ errors: costly });
    expect(provider.calls).toEqual([]);
  });

  test('500,000 stubs of models are refused by their number', async () => {
    const names = Array.from({ length: 16 }, (_, i) => `n${i}: name`).join(' ');
    const { data, errors } = await ask(
      `query($representations: [_Any!]!) { _entities(representations: $representations) { ... on Model { ${names} } } }`,
      new Array(500_000).fill({ __typename: 'Model' }),
    );
    expect(data).toBeUndefined();
    expect(errors).toMatchObject(costly);
  });
});
