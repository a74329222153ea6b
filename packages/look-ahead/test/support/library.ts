import { useEngine } from '@envelop/core';
import DataLoader from 'dataloader';
import {
  execute,
  GraphQLError,
  GraphQLInt,
  GraphQLList,
  GraphQLNonNull,
  GraphQLObjectType,
  GraphQLSchema,
  GraphQLString,
} from 'graphql';
import { createYoga } from 'graphql-yoga';
import { gather, type LookAheadOptions, useLookAhead } from '../../src/index.ts';

/** A library as somebody might have one: books by key, an edition that a mutation changes, a DataLoader. */
export interface Context {
  library: Library;
}

export class Library {
  edition = 1;
  /** The keys of each batch. */
  readonly batches: string[][] = [];
  readonly books = new DataLoader<string, string>(async (keys) => {
    this.batches.push([...keys]);
    const edition = this.edition;
    // As a database would be: slower than a tick.
    await new Promise((resolve) => setImmediate(resolve));
    return keys.map((key) =>
      key === 'lost' ? new GraphQLError('It is lost.') : `${key}, edition ${edition}`,
    );
  });

  /** What was read before is read anew afterwards. */
  printAnew(): number {
    this.books.clearAll();
    return ++this.edition;
  }
}

const text = new GraphQLNonNull(GraphQLString);

interface BookArguments {
  key: string;
  /** Says nothing; an argument may have such a name. */
  constructor: string;
}

function readKey(args: BookArguments): string[] {
  if (args.key.trim() === '') throw new GraphQLError('key is empty.');
  if (args.constructor.trim() === '') throw new GraphQLError('constructor is empty.');
  return [args.key];
}

/** Fields without types of their own; a schema for each test, because a plugin wraps its resolvers. */
export function createSchema(): GraphQLSchema {
  const book = {
    type: GraphQLString,
    args: { key: { type: text }, constructor: { type: GraphQLString, defaultValue: 'none' } },
    extensions: { ...gather(readKey) },
    resolve: (_root: unknown, args: BookArguments, { library }: Context) =>
      library.books.load(readKey(args)[0]!),
  };
  const books = {
    type: new GraphQLList(text),
    args: { keys: { type: new GraphQLNonNull(new GraphQLList(text)) } },
    extensions: { ...gather(({ keys }: { keys: string[] }) => ({ requests: keys, count: keys.length })) },
    resolve: (_root: unknown, { keys }: { keys: string[] }, { library }: Context) =>
      Promise.all(keys.map((key) => library.books.load(key))),
  };
  const query = new GraphQLObjectType({ name: 'Query', fields: { book, books } });
  return new GraphQLSchema({
    query,
    mutation: new GraphQLObjectType<unknown, Context>({
      name: 'Mutation',
      fields: {
        book,
        books,
        printAnew: { type: GraphQLInt, resolve: (_root, _args, { library }) => library.printAnew() },
        query: { type: query, resolve: () => ({}) },
      },
    }),
  });
}

/** Yoga with the plugin, and a library for each operation. */
export function startLibrary(
  options: Partial<LookAheadOptions<Context, string>> = {},
  schema = createSchema(),
) {
  const libraries: Library[] = [];
  const yoga = createYoga<object, Context>({
    schema,
    logging: false,
    maskedErrors: false,
    context: () => {
      const library = new Library();
      libraries.push(library);
      return { library };
    },
    plugins: [
      // graphql-js: before 2.1 the executor of @graphql-tools fails for an argument that is called `constructor`.
      useEngine({ execute }),
      useLookAhead<Context, string>({
        begin: (keys, { library }) => void library.books.loadMany(keys),
        ...options,
      }),
    ],
  });
  return {
    async ask(query: string, variables: object = {}) {
      const response = await yoga.fetch('http://localhost/graphql', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        // As a string, so that __proto__ can be a name.
        body: `{"query": ${JSON.stringify(query)}, "variables": ${JSON.stringify(variables)}}`,
      });
      const answer = await response.json();
      return { ...answer, batches: libraries.at(-1)!.batches };
    },
  };
}
