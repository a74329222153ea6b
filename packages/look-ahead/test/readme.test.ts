import DataLoader from 'dataloader';
import { createSchema, createYoga } from 'graphql-yoga';
import { expect, test } from 'vitest';
import { gather, useLookAhead } from '../src/index.ts';

test('the first example of the README', async () => {
  const batches: Array<readonly string[]> = [];
  const translateAll = async (texts: readonly string[]) => {
    batches.push(texts);
    return texts.map((text) => `${text}!`);
  };
  interface Context {
    texts: DataLoader<string, string>;
  }

  const schema = createSchema<Context>({
    typeDefs: 'type Query { ok: Boolean } type Mutation { translate(text: String!): String }',
    resolvers: {
      Mutation: {
        translate: {
          extensions: gather(({ text }: { text: string }) => [text]),
          resolve: (_root, { text }, { texts }) => texts.load(text),
        },
      },
    },
  });
  const yoga = createYoga({
    schema,
    context: (): Context => ({ texts: new DataLoader(translateAll) }),
    plugins: [useLookAhead<Context, string>({ begin: (keys, { texts }) => void texts.loadMany(keys) })],
  });

  const query = 'mutation { a: translate(text: "cat") b: translate(text: "dog") }';
  const response = await yoga.fetch(`http://localhost/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query }),
  });
  expect(await response.json()).toEqual({ data: { a: 'cat!', b: 'dog!' } });
  expect(batches).toEqual([['cat', 'dog']]);
});
