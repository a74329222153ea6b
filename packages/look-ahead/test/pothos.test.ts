import SchemaBuilder from '@pothos/core';
import { expect, test } from 'vitest';
import { gathered } from '../src/index.ts';
import LookAheadPlugin from '../src/pothos.ts';
import { type Context, startLibrary } from './support/library.ts';

test('gather is an option of root fields, typed by their arguments', async () => {
  const builder = new SchemaBuilder<{ Context: Context }>({ plugins: [LookAheadPlugin] });
  const readPair = ({ a, b }: { a: string; b?: string | null }, _context: Context) => ({
    requests: [a, b ?? a],
    separator: ' and ',
  });
  builder.queryType({ fields: (t) => ({ ok: t.boolean({ resolve: () => true }) }) });
  builder.mutationType({
    fields: (t) => ({
      book: t.string({
        args: { key: t.arg.string({ required: true }) },
        gather: ({ key }) => [key satisfies string],
        resolve: (_root, { key }, { library }) => library.books.load(key),
      }),
      pair: t.string({
        args: { a: t.arg.string({ required: true }), b: t.arg.string() },
        gather: readPair,
        resolve: async (_root, args, context, info) => {
          const { requests, separator } = gathered(readPair, args, context, info);
          return (await Promise.all(requests.map((key) => context.library.books.load(key)))).join(separator);
        },
      }),
    }),
  });
  builder.mutationField('more', (t) =>
    t.string({
      args: { key: t.arg.string({ required: true }) },
      gather: ({ key }) => [key],
      // @ts-expect-error: no such argument
      resolve: (_root, { name, key }, { library }) => library.books.load(name ?? key),
    }),
  );
  const { data, batches } = await startLibrary({}, builder.toSchema()).ask(
    'mutation { a: book(key: "a") pair(a: "b", b: "c") more(key: "d") }',
  );
  expect(data).toEqual({
    a: 'a, edition 1',
    pair: 'b, edition 1 and c, edition 1',
    more: 'd, edition 1',
  });
  expect(batches).toEqual([['a', 'b', 'c', 'd']]);
});
