// A subgraph that knows products and nothing of embeddings: it returns stubs of `EmbeddedText`.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buildSubgraphSchema } from '@apollo/subgraph';
import { parse } from 'graphql';
import { createYoga } from 'graphql-yoga';

const typeDefs = parse(/* GraphQL */ `
  extend schema @link(url: "https://specs.apollo.dev/federation/v2.3", import: ["@key"])

  type Query {
    products(first: Int! = 10): [Product!]!
  }

  type Product @key(fields: "id") {
    id: ID!
    name: String!
    descriptionText: EmbeddedText!
  }

  type EmbeddedText @key(fields: "text", resolvable: false) {
    text: String!
  }
`);

const products = Array.from({ length: 50 }, (_, i) => ({
  id: String(i + 1),
  name: `Product ${i + 1}`,
  descriptionText: {
    __typename: 'EmbeddedText',
    text: `Product ${i + 1} is good for reason number ${i + 1}.`,
  },
}));

const resolvers = {
  Query: { products: (_: unknown, { first }: { first: number }) => products.slice(0, first) },
};

/** @returns the address of the subgraph. */
export async function startProducts(): Promise<string> {
  const yoga = createYoga({ schema: buildSubgraphSchema({ typeDefs, resolvers }), logging: false });
  const server = createServer(yoga).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  server.unref();
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/graphql`;
}
