// Yoga with nothing around it, answering the same field from nowhere: the floor of what a field costs.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createSchema, createYoga } from 'graphql-yoga';

const schema = createSchema({
  typeDefs: /* GraphQL */ `
    type Query { health: String }
    type Embedding { dimension: Int! }
    type Mutation { embed(text: String!, model: String): Embedding }
  `,
  resolvers: { Mutation: { embed: () => ({ dimension: 8 }) } },
});
const server = createServer(createYoga({ schema, logging: false }));
server.listen(0, '127.0.0.1', () =>
  process.stdout.write(`http://127.0.0.1:${(server.address() as AddressInfo).port}/graphql\n`),
);
