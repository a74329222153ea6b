import { auditServer } from 'graphql-http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startEmbedQL, type TestServer } from '../support/embedql.ts';

let server: TestServer;

beforeAll(async () => {
  server = await startEmbedQL();
});
afterAll(() => server.stop());

test('the graphql-http audit passes whole', async () => {
  const results = await auditServer({ url: `${server.url}/graphql` });
  expect(results.length).toBeGreaterThan(50);
  const failed = results.filter(({ status }) => status !== 'ok').map(({ id, name }) => `${id} ${name}`);
  expect(failed).toEqual([]);
});

describe('what is not GraphQL', () => {
  test.each([
    ['/health', 200],
    ['/ready', 200],
    ['/health/', 200],
    ['/ready/?from=probe', 200],
    ['/metrics/', 200],
    ['/nowhere', 404],
    ['/health//', 404],
  ])('%s answers %i', async (path, status) => {
    expect((await fetch(server.url + path)).status).toBe(status);
  });

  test('a body that is not JSON', async () => {
    const response = await server.post('{"query": "{');
    expect(response.status).toBe(400);
    expect(((await response.json()) as { errors: unknown[] }).errors).toEqual([
      { message: expect.stringContaining('JSON'), extensions: { code: 'BAD_USER_INPUT', retryable: false } },
    ]);
  });

  test('a body over the limit gets 413, whether its length is told or not', async () => {
    const small = await startEmbedQL({ EMBEDQL_MAX_BODY_BYTES: '1000' });
    const body = JSON.stringify({ query: `{ __typename } # ${'x'.repeat(2_000)}` });
    expect((await small.post(body)).status).toBe(413);
    const stream = new ReadableStream({
      start(controller) {
        for (let i = 0; i < body.length; i += 100) controller.enqueue(Buffer.from(body.slice(i, i + 100)));
        controller.close();
      },
    });
    const chunked = await fetch(`${small.url}/graphql`, {
      method: 'POST',
      body: stream,
      headers: { 'content-type': 'application/json' },
      duplex: 'half',
    } as RequestInit);
    expect(chunked.status).toBe(413);
    await small.stop();
  });

  test('a mutation by GET is refused', async () => {
    const query = encodeURIComponent('mutation { embed(text: "cat") { model } }');
    expect((await fetch(`${server.url}/graphql?query=${query}`)).status).toBe(405);
  });
});

test('introspection and GraphiQL can be switched off', async () => {
  const page = { headers: { accept: 'text/html' } };
  expect(await (await fetch(`${server.url}/graphql`, page)).text()).toContain('<title>EmbedQL</title>');
  const closed = await startEmbedQL({ EMBEDQL_GRAPHIQL: 'off', EMBEDQL_INTROSPECTION: 'off' });
  expect(await (await fetch(`${closed.url}/graphql`, page)).text()).not.toContain('<title>');
  const { errors } = await closed.graphql('{ __schema { types { name } } }');
  expect(errors![0]!.extensions).toEqual({ code: 'BAD_USER_INPUT', retryable: false });
  await closed.stop();
});

describe('with API keys', () => {
  test.each(['on', 'off'])(
    'nothing runs without one, whatever a browser accepts; GraphiQL %s',
    async (graphiql) => {
      const guarded = await startEmbedQL({ EMBEDQL_API_KEYS: 'one,two', EMBEDQL_GRAPHIQL: graphiql });
      const query = `${guarded.url}/graphql?query=${encodeURIComponent('{ health { version } }')}`;
      for (const accept of ['text/html', 'application/json', 'application/json, text/html;q=0.1', '*/*']) {
        const response = await fetch(query, { headers: { accept } });
        expect((await response.text()).startsWith('{"data"')).toBe(false);
        const isPage = graphiql === 'on' && accept.includes('text/html');
        expect(response.status).toBe(isPage ? 200 : 401);
        if (!isPage) expect(response.headers.get('www-authenticate')).toContain('Bearer');
      }
      expect((await fetch(`${guarded.url}/metrics`)).status).toBe(401);
      const unauthenticated = await guarded.graphql('{ health { version } }');
      expect(unauthenticated.errors![0]!.extensions).toEqual({ code: 'UNAUTHENTICATED', retryable: false });
      const keyed = await guarded.graphql(
        '{ health { service } }',
        {},
        { headers: { authorization: 'Bearer two' } },
      );
      expect(keyed.data.health.service).toBe('embedql');
      await guarded.stop();
    },
  );
});
