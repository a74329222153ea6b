import {
  Client,
  type CombinedError,
  cacheExchange,
  type Exchange,
  fetchExchange,
  gql,
  subscriptionExchange,
} from '@urql/core';
import { persistedExchange } from '@urql/exchange-persisted';
import { createClient as createSSE } from 'graphql-sse';
import { createClient as createWS } from 'graphql-ws';
import { expect, test } from 'vitest';
import { toAsyncIterable } from 'wonka';
import WebSocket from 'ws';
import {
  describeGraphQL,
  describeStream,
  type GraphQLAnswer,
  reasonOf,
  type Target,
} from './graphql-client.ts';
import { fresh, stand } from './support.ts';

const client = ({ url, key }: Target, exchanges: Exchange[], more: { fetchSubscriptions?: boolean } = {}) =>
  new Client({
    url: `${url}/graphql`,
    exchanges,
    fetchOptions: { headers: { authorization: `Bearer ${key}` } },
    ...more,
  });

const exchanges: Record<string, Exchange[]> = {
  'its own exchanges': [cacheExchange, fetchExchange],
  persistedExchange: [
    cacheExchange,
    persistedExchange({ enableForMutation: true, preferGetForPersistedQueries: true }),
    fetchExchange,
  ],
};

for (const [name, list] of Object.entries(exchanges)) {
  describeGraphQL(`urql, ${name}`, (target) => {
    const urql = client(target, list);
    return {
      run: async (operation, variables = {}) => {
        const { data, error } = operation.startsWith('query')
          ? await urql.query(gql(operation), variables)
          : await urql.mutation(gql(operation), variables);
        return { data: data ?? undefined, errors: errorsOf(error) };
      },
    };
  });
}

function errorsOf(error: CombinedError | undefined): GraphQLAnswer['errors'] {
  if (!error) return [];
  if (error.graphQLErrors.length > 0) return error.graphQLErrors;
  return [{ message: error.networkError ? reasonOf(error.networkError) : error.message }];
}

const throughSocket = ({ url, key }: Target): Exchange[] => {
  const socket = createWS({
    url: `${url.replace('http', 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: { authorization: `Bearer ${key}` },
    retryAttempts: 0,
  });
  const forward = subscriptionExchange({
    forwardSubscription: ({ query, variables }) => ({
      subscribe: (sink) => ({
        unsubscribe: socket.subscribe(
          { query: query ?? '', variables: variables as Record<string, unknown> },
          sink as never,
        ),
      }),
    }),
  });
  return [cacheExchange, fetchExchange, forward];
};

const throughEvents = ({ url, key }: Target): Exchange[] => {
  const events = createSSE({
    url: `${url}/graphql`,
    headers: { authorization: `Bearer ${key}` },
    retryAttempts: 0,
  });
  const forward = subscriptionExchange({
    forwardSubscription: ({ query, variables }) => ({
      subscribe: (sink) => ({
        unsubscribe: events.subscribe(
          { query: query ?? '', variables: variables as Record<string, unknown> },
          sink as never,
        ),
      }),
    }),
  });
  return [cacheExchange, fetchExchange, forward];
};

const ways: Record<string, (target: Target) => Client> = {
  'graphql-ws': (target) => client(target, throughSocket(target)),
  'graphql-sse': (target) => client(target, throughEvents(target)),
  fetchSubscriptions: (target) =>
    client(target, [cacheExchange, fetchExchange], { fetchSubscriptions: true }),
};

for (const [name, connect] of Object.entries(ways)) {
  describeStream(`urql, ${name}`, (target) => ({
    async *stream(operation, variables) {
      for await (const { data, error } of toAsyncIterable(
        connect(target).subscription(gql(operation), variables),
      ))
        yield { data: data ?? undefined, errors: errorsOf(error) };
    },
  }));
}

test("urql's persisted mutations send the whole text once", async () => {
  const bodies: string[] = [];
  const urql = new Client({
    url: `${stand.open}/graphql`,
    exchanges: [persistedExchange({ enableForMutation: true }), fetchExchange],
    fetch: (input, init) => {
      bodies.push(`${decodeURIComponent(String(input))} ${String(init?.body)}`);
      return fetch(input, init);
    },
  });
  const document = gql(`mutation UrqlPersisted($text: String!) { embed(text: $text) { dimension } }`);
  for (let i = 0; i < 2; i++) {
    const { data } = await urql.mutation(document, { text: fresh() });
    expect(data.embed.dimension).toBe(1_536);
  }
  expect(bodies.map((body) => body.includes('mutation UrqlPersisted'))).toEqual([false, true, false]);
});
