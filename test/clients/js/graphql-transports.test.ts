import { createClient as createSSE } from 'graphql-sse';
import { createClient as createWS } from 'graphql-ws';
import { expect, test } from 'vitest';
import WebSocket from 'ws';
import {
  describeGraphQL,
  describeStream,
  type GraphQLAnswer,
  reasonOf,
  type Target,
} from './graphql-client.ts';
import { fresh, stand } from './support.ts';

interface Iterating {
  iterate(payload: { query: string; variables?: Record<string, unknown> }): AsyncIterableIterator<unknown>;
}

const clients: Record<string, (target: Target) => Iterating> = {
  'graphql-ws': ({ url, key }) =>
    createWS({
      url: `${url.replace('http', 'ws')}/graphql`,
      webSocketImpl: WebSocket,
      connectionParams: { authorization: `Bearer ${key}` },
      retryAttempts: 0,
    }),
  'graphql-sse': ({ url, key }) =>
    createSSE({ url: `${url}/graphql`, headers: { authorization: `Bearer ${key}` }, retryAttempts: 0 }),
};

for (const [name, connect] of Object.entries(clients)) {
  const stream = async function* (target: Target, query: string, variables: Record<string, unknown> = {}) {
    for await (const answer of connect(target).iterate({ query, variables })) {
      const { data, errors = [] } = answer as Partial<GraphQLAnswer>;
      yield { data, errors };
    }
  };
  describeGraphQL(name, (target) => ({
    run: async (operation, variables) => {
      try {
        for await (const answer of stream(target, operation, variables)) return answer;
      } catch (error) {
        // Both throw what was refused before it ran: a list of errors, a response, or the reason of a close.
        if (Array.isArray(error)) return { errors: error as GraphQLAnswer['errors'] };
        return { errors: [{ message: reasonOf(error) }] };
      }
      throw new Error('ended without an answer');
    },
  }));
  describeStream(name, (target) => ({
    stream: (operation, variables) => stream(target, operation, variables),
  }));
}

test('graphql-sse gets the answers of several operations over a single connection', async () => {
  const client = createSSE({ url: `${stand.open}/graphql`, singleConnection: true, retryAttempts: 0 });
  const ask = async () => {
    const query = 'mutation ($text: String!) { embed(text: $text) { dimension } }';
    const answers = client.iterate<{ embed: { dimension: number } }>({ query, variables: { text: fresh() } });
    for await (const { data } of answers) return data!.embed.dimension;
  };
  expect(await Promise.all([ask(), ask()])).toEqual([1_536, 1_536]);
  client.dispose();
});
