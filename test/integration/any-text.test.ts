import { afterEach, expect, test } from 'vitest';
import { createEmbedder, openai } from '../../src/index.ts';
import { startEmbedQL, type TestServer } from '../support/embedql.ts';
import {
  type ProviderServer,
  sendFailure,
  startProvider,
  testKey,
  vectorOf,
} from '../support/provider-server.ts';

const stops: Array<() => Promise<unknown>> = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

async function start(): Promise<{ provider: ProviderServer; server: TestServer }> {
  const provider = await startProvider();
  stops.push(provider.close);
  // As strict servers do.
  provider.misbehave = (call, response) => {
    if (call.input.every((text) => text.isWellFormed())) return false;
    sendFailure(response, 400, { param: 'input' });
    return true;
  };
  const server = await startEmbedQL(provider.env);
  stops.push(server.stop);
  return { provider, server };
}
const base64 = (text: string) => Buffer.from(vectorOf(text).buffer).toString('base64');

test('halves of characters become replacement characters before anything is hashed or sent: one text, paid once', async () => {
  const { provider, server } = await start();
  const { data, errors } = await server.graphql(
    'mutation($a: String!, $b: String!, $c: String!) { a: embed(text: $a) { embeddingBase64 cost } b: embed(text: $b) { embeddingBase64 cost } c: embed(text: $c) { embeddingBase64 cost } }',
    { a: 'x\ud800', b: 'x\udbff', c: 'x\ufffd' },
  );
  expect(errors).toBeUndefined();
  expect(provider.calls.map(({ input }) => input)).toEqual([['x\ufffd']]);
  for (const answer of Object.values(data))
    expect(answer).toMatchObject({ embeddingBase64: base64('x\ufffd') });
});

test('nobody fails for a half of a character that another has sent', async () => {
  const { provider, server } = await start();
  provider.delayMs = 100;
  const ask = (text: string) =>
    server.graphql('mutation($t: String!) { embed(text: $t) { embeddingBase64 } }', { t: text });
  const answers = await Promise.all([ask('q\ud800'), ask('q\ufffd')]);
  for (const { data } of answers) expect(data.embed.embeddingBase64).toBe(base64('q\ufffd'));
  expect(provider.calls).toHaveLength(1);
});

test('on every door', async () => {
  const { provider, server } = await start();
  const lone = (place: string) => `${place} \ud835 y`;
  const documents: Array<[string, string]> = [
    ['mutation($t: String!) { embedQuery(query: $t) { tokens } }', 'embedQuery'],
    ['mutation($t: String!) { embedBatch(texts: [$t]) { failures { code } totalEmbeddings } }', 'embedBatch'],
    ['query($t: String!) { similarity(a: $t, b: "b") }', 'similarity'],
    ['query($t: String!) { nearest(query: "q", texts: [$t]) { index } }', 'nearest'],
    [
      'query($t: String!) { _entities(representations: [{ __typename: "EmbeddedText", text: $t }]) { ... on EmbeddedText { embedding { tokens } } } }',
      'entities',
    ],
  ];
  for (const [query, place] of documents) {
    const { errors } = await server.graphql(query, { t: lone(place) });
    expect(errors, place).toBeUndefined();
  }
  const openaiDoor = await fetch(`${server.url}/v1/embeddings`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ input: [lone('v1')] }),
  });
  expect(openaiDoor.status).toBe(200);
  const stream = await server.post(
    {
      query: 'subscription($t: String!) { embedStream(texts: [$t]) { done } }',
      variables: { t: lone('stream') },
    },
    { headers: { accept: 'text/event-stream' } },
  );
  expect(await stream.text()).not.toContain('errors');
  const embedder = await createEmbedder({
    models: [openai('text-embedding-3-small', { apiKey: testKey, baseUrl: provider.url })],
  });
  stops.push(() => embedder.close());
  await embedder.embed(lone('library'));
  const { results } = await embedder.embedMany([lone('many'), `${lone('many')}`]);
  expect(results.every((result) => !(result instanceof Error))).toBe(true);
  const sent = provider.calls.flatMap(({ input }) => input);
  for (const place of [
    'embedQuery',
    'embedBatch',
    'similarity',
    'nearest',
    'entities',
    'v1',
    'stream',
    'library',
    'many',
  ])
    expect(sent).toContain(`${place} \ufffd y`);
});
