import { ClientError, GraphQLClient, gql } from 'graphql-request';
import { expect, test } from 'vitest';
import { describeGraphQL, expectOneCall } from './graphql-client.ts';
import { decode, expectVectors, fresh, remote, stand } from './support.ts';

describeGraphQL('graphql-request', ({ url, key }) => {
  const client = new GraphQLClient(`${url}/graphql`, { headers: { authorization: `Bearer ${key}` } });
  return {
    run: async (operation, variables) => {
      try {
        return { data: await client.request(operation, variables), errors: [] };
      } catch (error) {
        if (!(error instanceof ClientError)) throw error;
        return { data: error.response.data, errors: error.response.errors ?? [{ message: error.message }] };
      }
    },
  };
});

test('graphql-request sends several operations at once, and their texts share a provider call', async () => {
  const client = new GraphQLClient(`${stand.open}/graphql`);
  const document = gql`mutation ($text: String!) { embed(text: $text) { embeddingBase64 } }`;
  const texts = [fresh(), fresh(), fresh()];
  const answers = await client.batchRequests(texts.map((text) => ({ document, variables: { text } })));
  await expectVectors(
    remote,
    texts,
    answers.map(({ data }) => decode((data as { embed: { embeddingBase64: string } }).embed.embeddingBase64)),
  );
  await expectOneCall(texts);
});

test('graphql-request gets a problem with one of several operations beside the answers to the others', async () => {
  const client = new GraphQLClient(`${stand.open}/graphql`);
  const batch = client.batchRequests([
    { document: '{ health { status } }' },
    { document: 'mutation { embed(text: "a", model: "nope") { model } }' },
  ]);
  const { response } = (await batch.catch((error: unknown) => error)) as ClientError;
  expect(Object.values(response).slice(0, 2)).toMatchObject([
    { data: { health: { status: 'OK' } } },
    { errors: [{ extensions: { code: 'MODEL_NOT_FOUND' } }] },
  ]);
});
