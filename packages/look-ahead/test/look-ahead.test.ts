import { envelop, useEngine, useSchema } from '@envelop/core';
import { execute, GraphQLError, parse, subscribe, validate } from 'graphql';
import { createSchema as createSDLSchema } from 'graphql-yoga';
import { describe, expect, test, vi } from 'vitest';
import { gather, gathered, isGatherable, useLookAhead } from '../src/index.ts';
import { type Context, createSchema, Library, startLibrary } from './support/library.ts';

const keys = (n: number) => Array.from({ length: n }, (_, i) => `book ${i}`);

describe('fields that stand together make one batch', () => {
  test('100 aliases of a mutation', async () => {
    const asked = keys(100);
    const fields = asked.map((key, i) => `a${i}: book(key: ${JSON.stringify(key)})`);
    const { data, errors, batches } = await startLibrary().ask(`mutation { ${fields.join(' ')} }`);
    expect(errors).toBeUndefined();
    expect(data).toEqual(Object.fromEntries(asked.map((key, i) => [`a${i}`, `${key}, edition 1`])));
    expect(batches).toEqual([asked]);
  });

  test('through fragments on types and interfaces, variables, defaults and directives', async () => {
    const schema = createSDLSchema<Context>({
      typeDefs: `
        interface Reads { book(key: String!): String }
        union Root = Mutation
        type Query implements Reads { book(key: String!): String }
        type Mutation implements Reads { book(key: String!): String }`,
      resolvers: { Mutation: { book: (_root, { key }, { library }) => library.books.load(key) } },
    });
    const field = schema.getMutationType()!.getFields()['book']!;
    field.extensions = { ...field.extensions, ...gather(({ key }: { key: string }) => [key]) };
    const { data, batches } = await startLibrary({}, schema).ask(
      `mutation($b: String!, $yes: Boolean!, $no: Boolean! = false, $f: String! = "f") {
         a: book(key: "a")
         ...Outer
         ... on Reads @include(if: $yes) { c: book(key: "c") }
         ... on Reads { ... on Query { elsewhere: book(key: "elsewhere") } }
         ... on Root { ... on Mutation { d: book(key: "d") } }
         ... @skip(if: $yes) { skipped: book(key: "skipped") }
         left: book(key: "left") @include(if: $no)
         a: book(key: "a")
         __typename
         f: book(key: $f)
       }
       fragment Outer on Mutation { ...Outer2 b: book(key: $b) }
       fragment Outer2 on Mutation { e: book(key: "e") }`,
      { b: 'b', yes: true },
    );
    expect(Object.keys(data)).toEqual(['a', 'e', 'b', 'c', 'd', '__typename', 'f']);
    expect(batches).toEqual([['a', 'e', 'b', 'c', 'd', 'f']]);
  });

  test('the same document under other variables', async () => {
    const query = `mutation($on: Boolean!, $key: String!) { a: book(key: "a") b: book(key: $key) @include(if: $on) }`;
    const library = startLibrary();
    expect((await library.ask(query, { on: true, key: 'b' })).batches).toEqual([['a', 'b']]);
    expect((await library.ask(query, { on: false, key: 'c' })).batches).toEqual([['a']]);
    expect((await library.ask(query, { on: true, key: 'd' })).batches).toEqual([['a', 'd']]);
  });

  test('in plain Envelop, where two schemas run the same parsed document', async () => {
    const document = parse('mutation { a: book(key: "a") b: book(key: "b") }');
    for (const prefix of ['', 'other ']) {
      const schema = createSchema();
      const field = schema.getMutationType()!.getFields()['book']!;
      if (prefix) {
        field.extensions = { ...gather(({ key }: { key: string }) => [`${prefix}${key}`]) };
        field.resolve = (_root, { key }, { library }) => library.books.load(`${prefix}${key}`);
      }
      const getEnveloped = envelop({
        plugins: [
          useEngine({ parse, validate, execute, subscribe }),
          useSchema(schema),
          useLookAhead<Context, string>({
            begin: (asked, { library }) => void library.books.loadMany(asked),
          }),
        ],
      });
      const library = new Library();
      const proxy = getEnveloped({});
      const contextValue = await proxy.contextFactory({ library });
      const result = await proxy.execute({ schema, document, contextValue });
      expect(result).toEqual({ data: { a: `${prefix}a, edition 1`, b: `${prefix}b, edition 1` } });
      expect(library.batches).toEqual([[`${prefix}a`, `${prefix}b`]]);
    }
  });

  test('one schema in two servers begins each run once, with its own plugin', async () => {
    const schema = createSchema();
    const begins = [vi.fn(), vi.fn()];
    const servers = begins.map((begin) => startLibrary({ begin }, schema));
    for (const server of servers) await server.ask('mutation { book(key: "a") }');
    for (const begin of begins) expect(begin.mock.calls).toEqual([[['a'], expect.anything()]]);
  });
});

describe('a field with effects ends the run', () => {
  test('what stands after it is read after it', async () => {
    const { data, batches } = await startLibrary().ask(
      'mutation { a: book(key: "a") b: book(key: "b") printAnew __typename c: book(key: "a") d: books(keys: ["c", "d"]) }',
    );
    expect(data).toEqual({
      a: 'a, edition 1',
      b: 'b, edition 1',
      printAnew: 2,
      __typename: 'Mutation',
      c: 'a, edition 2',
      d: ['c, edition 2', 'd, edition 2'],
    });
    expect(batches).toEqual([
      ['a', 'b'],
      ['a', 'c', 'd'],
    ]);
  });

  test('a field of Query below the root does not begin the run of a root field of its name', async () => {
    const began: string[] = [];
    const { data } = await startLibrary({
      begin: (asked, { library }) => void began.push(`${asked} in edition ${library.edition}`),
    }).ask('mutation { query { later: book(key: "x") } printAnew later: book(key: "a") }');
    expect(data.query.later).toBe('x, edition 1');
    expect(began).toEqual(['a in edition 2']);
  });
});

describe('admit', () => {
  test('is asked once, for all runs, before anything', async () => {
    const order: string[] = [];
    const { data } = await startLibrary({
      admit: async (asked) => {
        await new Promise((resolve) => setImmediate(resolve));
        order.push(`admit ${asked}`);
      },
      begin: (asked) => void order.push(`begin ${asked}`),
    }).ask('mutation { book(key: "a") printAnew again: books(keys: ["a", "b"]) }');
    expect(data.again).toEqual(['a, edition 2', 'b, edition 2']);
    expect(order).toEqual(['admit a,a,b', 'begin a', 'begin a,b']);
  });

  test.each([
    [
      'throws',
      () => {
        throw new GraphQLError('Too much.', { extensions: { code: 'TOO_MUCH' } });
      },
    ],
    ['rejects', () => Promise.reject(new GraphQLError('Too much.', { extensions: { code: 'TOO_MUCH' } }))],
  ])('refuses when it %s; nothing runs', async (_how, admit) => {
    const begin = vi.fn();
    const answer = await startLibrary({ admit, begin }).ask('mutation { printAnew book(key: "a") }');
    expect(answer).toEqual({
      errors: [{ message: 'Too much.', extensions: { code: 'TOO_MUCH' } }],
      batches: [],
    });
    expect(begin).not.toHaveBeenCalled();
  });

  test('is told what could not be read ahead; the resolver fails with its own error', async () => {
    const admit = vi.fn();
    const { data, errors, batches } = await startLibrary({ admit }).ask(
      'mutation { a: book(key: "a") empty: book(key: " ") b: book(key: "b") }',
    );
    const error = expect.objectContaining({ message: 'key is empty.' });
    expect(admit.mock.calls[0]![0]).toEqual(['a', 'b']);
    expect(admit.mock.calls[0]![2].unforeseen).toEqual([{ responseKey: 'empty', fieldName: 'book', error }]);
    expect(data).toEqual({ a: 'a, edition 1', empty: null, b: 'b, edition 1' });
    expect(errors).toEqual([expect.objectContaining({ message: 'key is empty.', path: ['empty'] })]);
    expect(batches).toEqual([['a', 'b']]);
  });

  test('is told that nothing is asked for where variables or directives are wrong', async () => {
    const admit = vi.fn();
    const library = startLibrary({ admit });
    const wrong = await library.ask('mutation($key: String!) { book(key: $key) }', { key: 5 });
    const unset = await library.ask('mutation($on: Boolean = true) { book(key: "a") @include(if: $on) }', {
      on: null,
    });
    for (const { errors, batches } of [wrong, unset]) {
      expect(errors).toHaveLength(1);
      expect(batches).toEqual([]);
    }
    for (const [asked, , { unforeseen }] of admit.mock.calls) expect([asked, unforeseen]).toEqual([[], []]);
  });
});

describe('names of members of Object.prototype', () => {
  const names = ['__proto__', 'constructor', 'toString', 'hasOwnProperty'];

  test.each(names)('a variable %s without a value', async (name) => {
    const admit = vi.fn();
    const { data } = await startLibrary({ admit }).ask(
      `mutation($${name}: String, $key: String!) { book(key: $key, constructor: $${name}) }`,
      { key: 'a' },
    );
    expect(data).toEqual({ book: 'a, edition 1' });
    expect(admit.mock.calls[0]![0]).toEqual(['a']);
    expect(admit.mock.calls[0]![2].unforeseen).toEqual([]);
  });

  test.each(names.slice(1))('a variable %s with a value', async (name) => {
    const { batches } = await startLibrary().ask(`mutation($${name}: String!) { book(key: $${name}) }`, {
      [name]: 'a',
    });
    expect(batches).toEqual([['a']]);
  });

  test('aliases and fragments', async () => {
    const fields = names.map((name) => `${name}: book(key: "${name}")`);
    const { batches, errors } = await startLibrary().ask(
      `mutation { ...constructor ...toString } fragment constructor on Mutation { ${fields.join(' ')} }
       fragment toString on Mutation { valueOf: book(key: "valueOf") }`,
    );
    expect(errors).toBeUndefined();
    expect(batches).toEqual([[...names, 'valueOf']]);
  });
});

describe('what a field has read ahead', () => {
  function counted() {
    const read = vi.fn(({ key }: { key: string }) => ({ requests: [key], spelled: key.toUpperCase() }));
    const schema = createSchema();
    const field = schema.getMutationType()!.getFields()['book']!;
    field.extensions = { ...gather(read) };
    field.resolve = (_root, args, context, info) =>
      gathered(read, args as { key: string }, context, info).spelled;
    return { read, schema, field };
  }

  test('is not read again', async () => {
    const { read, schema, field } = counted();
    expect(isGatherable(field)).toBe(true);
    const { data } = await startLibrary({}, schema).ask('mutation { a: book(key: "a") b: book(key: "b") }');
    expect(data).toEqual({ a: 'A', b: 'B' });
    expect(read).toHaveBeenCalledTimes(2);
  });

  test('is read by the resolver where nothing looked ahead', async () => {
    const { read, schema } = counted();
    const result = await execute({
      schema,
      document: parse('mutation { book(key: "a") }'),
      contextValue: {},
    });
    expect(result.data).toEqual({ book: 'A' });
    expect(read).toHaveBeenCalledTimes(1);
  });
});
