import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startEmbedQL, type TestServer } from '../support/embedql.ts';
import { type ProviderServer, startProvider } from '../support/provider-server.ts';

let provider: ProviderServer;

beforeAll(async () => {
  provider = await startProvider();
});
afterAll(() => provider.close());

/** Sends bytes as they are, and gives back all that comes. */
async function raw(url: string, parts: readonly string[], pauseMs = 0): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  await once(socket, 'connect');
  let answer = '';
  socket.on('data', (chunk) => {
    answer += chunk;
  });
  socket.on('error', () => {});
  const closed = once(socket, 'close');
  for (const part of parts) {
    socket.write(part);
    await sleep(pauseMs);
  }
  await closed;
  return answer;
}

describe('pages of other origins', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startEmbedQL({ ...provider.env, EMBEDQL_CORS_ORIGINS: 'https://app.example' });
  });
  afterAll(() => server.stop());

  const query = '{ similarity(a: "a", b: "b") }';

  test.each([
    [
      'a GET that a picture could send',
      `/graphql?query=${encodeURIComponent(query)}`,
      { headers: { 'sec-fetch-site': 'cross-site' } },
    ],
    [
      'a page of a sister site',
      `/graphql?query=${encodeURIComponent(query)}`,
      { headers: { 'sec-fetch-site': 'same-site' } },
    ],
    [
      'a form, from a browser that only knows Origin',
      '/graphql',
      {
        method: 'POST',
        body: JSON.stringify({ query }),
        headers: { origin: 'http://evil.example', 'content-type': 'application/json' },
      },
    ],
    [
      "OpenAI's door",
      '/v1/embeddings',
      { method: 'POST', body: '{"input":"a"}', headers: { origin: 'null' } },
    ],
    ['the figures', '/metrics', { headers: { 'sec-fetch-site': 'cross-site' } }],
  ])('%s is refused', async (_name, path, init) => {
    const response = await fetch(server.url + path, init);
    expect(response.status).toBe(403);
    expect(await response.text()).toMatch(/forbidden.*|FORBIDDEN/);
    expect(response.headers.get('access-control-allow-origin')).toBeNull();
    expect(provider.calls).toHaveLength(0);
  });

  test.each([
    'application/x-www-form-urlencoded',
    'text/plain',
    'multipart/form-data; boundary=x',
    'application/graphql',
    '',
  ])('a body of type "%s" is not taken', async (type) => {
    const body = type.includes('form-url') ? `query=${encodeURIComponent(query)}` : JSON.stringify({ query });
    const response = await server.post(body, { headers: { 'content-type': type } });
    expect(response.status).toBe(415);
    expect(await response.json()).toMatchObject({ errors: [{ extensions: { code: 'BAD_USER_INPUT' } }] });
  });

  test('an allowed origin gets its headers, nobody else does', async () => {
    const origin = 'https://app.example';
    const preflight = await fetch(`${server.url}/graphql`, {
      method: 'OPTIONS',
      headers: {
        origin,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization,content-type,x-stainless-os',
      },
    });
    expect(preflight.status).toBe(204);
    // Clients have headers of their own; a page that may come may bring them.
    expect(preflight.headers.get('access-control-allow-headers')).toBe(
      'authorization,content-type,x-stainless-os',
    );
    const response = await server.post(
      { query: '{ __typename }' },
      { headers: { origin, 'sec-fetch-site': 'cross-site' } },
    );
    expect(response.status).toBe(200);
    expect(response.headers.get('access-control-allow-origin')).toBe(origin);
    expect(response.headers.get('vary')).toContain('origin');
    const stranger = await fetch(`${server.url}/graphql`, {
      method: 'OPTIONS',
      headers: { origin: 'https://evil.example', 'access-control-request-method': 'POST' },
    });
    expect(stranger.status).toBe(403);
  });

  test('the page of the same origin, typed addresses and programs go through', async () => {
    for (const headers of [
      { 'sec-fetch-site': 'same-origin', origin: server.url },
      { 'sec-fetch-site': 'none' },
      { origin: server.url },
      {},
    ])
      expect(
        (await server.post({ query: '{ __typename }' }, { headers: headers as Record<string, string> }))
          .status,
      ).toBe(200);
  });

  test('every answer has safe headers, pages a policy of their own', async () => {
    for (const path of ['/graphql', '/', '/health', '/metrics', '/nowhere', '/v1/models']) {
      const { headers } = await fetch(server.url + path, { headers: { accept: 'text/html' } });
      expect([
        path,
        headers.get('x-content-type-options'),
        headers.get('x-frame-options'),
        headers.get('referrer-policy'),
      ]).toEqual([path, 'nosniff', 'DENY', 'no-referrer']);
    }
    const policy = (await fetch(`${server.url}/graphql`, { headers: { accept: 'text/html' } })).headers.get(
      'content-security-policy',
    )!;
    expect(policy).toContain("default-src 'none'");
    expect(policy).toMatch(/script-src ('sha256-[\w+/=]+' ?)+;/);
  });
});

describe('clients who take their time', () => {
  test('who does not finish sending is told so and cut off', async () => {
    const server = await startEmbedQL({ ...provider.env, EMBEDQL_TRANSFER_TIMEOUT_MS: '300' });
    const slowHead = await raw(server.url, ['POST /graphql HTTP/1.1\r\n', 'host: x\r\n'], 10);
    const slowBody = await raw(
      server.url,
      [
        'POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n',
        '{"query"',
      ],
      10,
    );
    const head = 'POST /v1/embeddings HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n';
    const slowText = await raw(server.url, [head, '{"input"'], 10);
    expect(slowText).toMatch(/^HTTP\/1\.1 408 Request Timeout\r\n/);
    expect(JSON.parse(slowText.split('\r\n\r\n')[1]!)).toMatchObject({ error: { code: 'bad_user_input' } });
    for (const answer of [slowHead, slowBody]) {
      expect(answer).toMatch(/^HTTP\/1\.1 408 Request Timeout\r\n/);
      expect(JSON.parse(answer.split('\r\n\r\n')[1]!)).toMatchObject({
        errors: [{ extensions: { retryable: true } }],
      });
    }
    await server.stop();
  });

  test('who does not read his answer is cut off, and others do not notice', async () => {
    const server = await startEmbedQL({ ...provider.env, EMBEDQL_TRANSFER_TIMEOUT_MS: '500' });
    const texts = Array.from({ length: 1_000 }, (_, i) => `unread ${i}`);
    const body = JSON.stringify({
      query: 'mutation($texts: [String!]!) { embedBatch(texts: $texts) { embeddings } }',
      variables: { texts },
    });
    const { hostname, port } = new URL(server.url);
    const socket = connect(Number(port), hostname);
    socket.on('error', () => {});
    socket.write(
      `POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    );
    socket.pause();
    await expect
      .poll(
        async () =>
          (await server.graphql('{ metrics { totalEmbeddingsGenerated } }')).data.metrics
            .totalEmbeddingsGenerated,
      )
      .toBe(1_000);
    await sleep(4_000);
    let bytes = 0;
    socket.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
    });
    socket.resume();
    await once(socket, 'close');
    expect(bytes).toBeLessThan(10_000_000);
    await server.stop();
  });

  test('what is no HTTP, and what has too much of a head, gets a well-formed answer', async () => {
    const server = await startEmbedQL(provider.env);
    expect(await raw(server.url, ['\x16\x03\x01\x00\xa5\x01\x00\r\n\r\n'])).toMatch(
      /^HTTP\/1\.1 400 Bad Request\r\n/,
    );
    expect(await raw(server.url, [`GET / HTTP/1.1\r\nhost: x\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`])).toMatch(
      /^HTTP\/1\.1 431 /,
    );
    await server.stop();
  });
});

describe('overload', () => {
  test('more bytes than may be held: refused at once, on every door, and over when they are gone', async () => {
    const server = await startEmbedQL({ ...provider.env, EMBEDQL_MAX_BUFFERED_MB: '1' });
    const { hostname, port } = new URL(server.url);
    // Nearly a megabyte that stays: the rest of this body does not come.
    const hoarder = connect(Number(port), hostname);
    hoarder.on('error', () => {});
    hoarder.write(
      `POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 2000000\r\n\r\n${' '.repeat(980_000)}`,
    );
    // While another large body is held, there is no room for this one.
    await sleep(500);
    const large = JSON.stringify({ query: `{ __typename } #${'x'.repeat(100_000)}` });
    const graphql = async () => (await server.post(large)).status;
    await expect.poll(graphql).toBe(503);
    const response = await server.post(large);
    expect(response.headers.get('retry-after')).toBe('1');
    expect(await response.json()).toMatchObject({
      errors: [{ extensions: { code: 'OVERLOADED', retryable: true, retryAfterMs: 1_000 } }],
    });
    const openai = await fetch(`${server.url}/v1/embeddings`, { method: 'POST', body: large });
    expect(openai.status).toBe(503);
    expect(await openai.json()).toMatchObject({ error: { code: 'overloaded' } });
    expect((await fetch(`${server.url}/health`)).status).toBe(200);
    hoarder.destroy();
    await expect.poll(graphql).toBe(200);
    await server.stop();
  });

  test('a full queue refuses at once and goes on serving what is cached', async () => {
    const server = await startEmbedQL({
      ...provider.env,
      EMBEDQL_QUEUE_LIMIT: '1',
      EMBEDQL_PROVIDER_CONCURRENCY: '1',
    });
    await server.graphql('mutation { embed(text: "cached") { model } }');
    provider.forget();
    provider.delayMs = 1_000;
    const first = server.graphql('mutation { embed(text: "first") { model } }');
    await expect.poll(() => provider.calls.length).toBe(1);
    const waiting = server.graphql('mutation { embed(text: "waiting") { model } }');
    await sleep(50);
    const { data, errors } = await server.graphql(
      'mutation { hit: embed(text: "cached") { cached } miss: embed(text: "too many") { model } }',
    );
    expect(data).toEqual({ hit: { cached: true }, miss: null });
    expect(errors![0]!.extensions).toMatchObject({
      code: 'OVERLOADED',
      retryable: true,
      retryAfterMs: expect.any(Number),
    });
    const openai = await fetch(`${server.url}/v1/embeddings`, {
      method: 'POST',
      body: '{"input":"too many"}',
    });
    expect(openai.status).toBe(503);
    expect(Number(openai.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await Promise.all([first, waiting])).map(({ errors: none }) => none)).toEqual([
      undefined,
      undefined,
    ]);
    provider.delayMs = 0;
    await server.stop();
  });
});
