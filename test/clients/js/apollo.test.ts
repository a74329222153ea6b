import { createHash } from 'node:crypto';
import { ApolloClient, type ApolloLink, gql, HttpLink, InMemoryCache } from '@apollo/client';
import { CombinedGraphQLErrors, ServerError } from '@apollo/client/errors';
import { BatchHttpLink } from '@apollo/client/link/batch-http';
import { PersistedQueryLink } from '@apollo/client/link/persisted-queries';
import { expect, test } from 'vitest';
import {
  describeGraphQL,
  describeStream,
  expectOneCall,
  type GraphQLAnswer,
  type Target,
} from './graphql-client.ts';
import { valuesOf } from './observables.ts';
import { decode, expectVectors, fresh, remote, stand } from './support.ts';

const client = (link: ApolloLink) => new ApolloClient({ link, cache: new InMemoryCache() });
const options = ({ url, key }: Target) => ({
  uri: `${url}/graphql`,
  headers: { authorization: `Bearer ${key}` },
});
const persisted = () =>
  new PersistedQueryLink({ sha256: (query) => createHash('sha256').update(query).digest('hex') });

const links: Record<string, (target: Target) => ApolloLink> = {
  HttpLink: (target) => new HttpLink(options(target)),
  BatchHttpLink: (target) => new BatchHttpLink(options(target)),
  PersistedQueryLink: (target) => persisted().concat(new HttpLink(options(target))),
};

for (const [name, link] of Object.entries(links)) {
  describeGraphQL(`Apollo Client, ${name}`, (target) => {
    const apollo = client(link(target));
    return {
      run: async (operation, variables = {}) => {
        const document = gql(operation);
        const { data, error } = operation.startsWith('query')
          ? await apollo.query({ query: document, variables, errorPolicy: 'all' })
          : await apollo.mutate({ mutation: document, variables, errorPolicy: 'all' });
        return { data, errors: errorsOf(error) };
      },
    };
  });
}

describeStream('Apollo Client, HttpLink', (target) => {
  const apollo = client(new HttpLink(options(target)));
  return {
    async *stream(operation, variables) {
      const results = apollo.subscribe({ query: gql(operation), variables, errorPolicy: 'all' });
      for await (const { data, error } of valuesOf(results)) yield { data, errors: errorsOf(error) };
    },
  };
});

function errorsOf(error: unknown): GraphQLAnswer['errors'] {
  if (!error) return [];
  if (CombinedGraphQLErrors.is(error)) return error.errors;
  if (ServerError.is(error)) {
    const body = JSON.parse(error.bodyText) as Partial<GraphQLAnswer>;
    return body.errors ?? [{ message: error.message }];
  }
  throw error;
}

test("Apollo's batch link sends several operations at once, and their texts share a provider call", async () => {
  const apollo = client(new BatchHttpLink({ uri: `${stand.open}/graphql` }));
  const texts = [fresh(), fresh(), fresh()];
  const answers = await Promise.all(
    texts.map((text) =>
      apollo.mutate<{ embed: { embeddingBase64: string } }>({
        mutation: gql`mutation Embed($text: String!) { embed(text: $text) { embeddingBase64 } }`,
        variables: { text },
      }),
    ),
  );
  await expectVectors(
    remote,
    texts,
    answers.map(({ data }) => decode(data!.embed.embeddingBase64)),
  );
  await expectOneCall(texts);
});

test("Apollo's persisted queries send the whole text once, by POST and by GET", async () => {
  for (const useGETForHashedQueries of [false, true]) {
    const bodies: string[] = [];
    const counting: typeof fetch = (input, init) => {
      bodies.push(decodeURIComponent(`${String(input)} ${String(init?.body)}`));
      return fetch(input, init);
    };
    const hashed = new PersistedQueryLink({
      sha256: (query) => createHash('sha256').update(query).digest('hex'),
      useGETForHashedQueries,
    });
    const apollo = client(hashed.concat(new HttpLink({ uri: `${stand.open}/graphql`, fetch: counting })));
    const query = gql(`query Persisted${useGETForHashedQueries ? 'ByGet' : 'ByPost'} { health { service } }`);
    for (let i = 0; i < 3; i++) {
      const { data } = await apollo.query<{ health: { service: string } }>({
        query,
        fetchPolicy: 'no-cache',
      });
      expect(data!.health.service).toBe('embedql');
    }
    expect(bodies.map((body) => body.includes('query Persisted'))).toEqual([false, true, false, false]);
  }
});
