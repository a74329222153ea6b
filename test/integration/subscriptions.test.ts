import { connect } from 'node:net';
import { createClient as createSseClient } from 'graphql-sse';
import { type Client, createClient } from 'graphql-ws';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { startEmbedQL, type TestServer } from '../support/embedql.ts';
import { type ProviderServer, startProvider } from '../support/provider-server.ts';

let provider: ProviderServer;
let server: TestServer;
const lines: Array<Record<string, unknown>> = [];
const keep = (line: unknown) => void lines.push(line as Record<string, unknown>);
const log = { debug() {}, info: keep, warn: keep, error: keep, isLevelEnabled: () => true };

beforeAll(async () => {
  provider = await startProvider();
  server = await startEmbedQL(
    {
      ...provider.env,
      EMBEDQL_API_KEYS: 'web:secret,other:second',
      EMBEDQL_CORS_ORIGINS: 'https://app.example',
      EMBEDQL_MAX_BODY_BYTES: '100000',
      EMBEDQL_MAX_TEXTS: '300',
      EMBEDQL_PROVIDER_CONCURRENCY: '2',
    },
    undefined,
    log,
  );
});
beforeEach(() => {
  provider.forget();
  provider.delayMs = 0;
  lines.length = 0;
});
afterAll(async () => {
  await server.stop();
  await provider.close();
});

const authorization = 'Bearer secret';
const embedStream =
  'subscription Streamed($texts: [String!]!) { embedStream(texts: $texts) { done total failures { code } } }';
const metrics = 'subscription Watched { metricsUpdated(intervalMs: 100) { operations } }';
const many = (n: number, name: string) => Array.from({ length: n }, (_, i) => `${name} ${i}`);
const operationLines = () => lines.filter((line) => 'outcome' in line);
const until = async (isSo: () => boolean) => {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 5));
};

describe('multipart/mixed, as Apollo Client and gql ask for it', () => {
  const accept = 'multipart/mixed;boundary=graphql;subscriptionSpec=1.0,application/json';
  const ask = (query: string, variables: object = {}) =>
    server.post({ query, variables }, { headers: { accept, authorization } });

  test('each event is a part with its boundary behind it, and the last says the end', async () => {
    const response = await ask(embedStream, { texts: [...many(150, 'part'), ' '] });
    expect(response.headers.get('content-type')).toBe(
      'multipart/mixed;boundary=graphql;subscriptionSpec=1.0',
    );
    const text = await response.text();
    expect(
      text.startsWith('\r\n--graphql\r\ncontent-type: application/json\r\n\r\n{"payload":{"data":'),
    ).toBe(true);
    expect(text.endsWith('\r\n--graphql--\r\n')).toBe(true);
    const parts = text.split('\r\n--graphql').slice(1, -1);
    const bodies = parts.map((part) => JSON.parse(part.split('\r\n\r\n')[1]!));
    expect(bodies.at(-1).payload.data.embedStream.done).toBe(151);
    expect(bodies.flatMap(({ payload }) => payload.data.embedStream.failures)).toEqual([
      { code: 'BAD_USER_INPUT' },
    ]);
  });

  test('a part can be read when it is there, not only when the next one is', async () => {
    const response = await ask(metrics);
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    while (!/\{"payload".*\r\n--graphql$/.test(text)) text += (await reader.read()).value;
    await reader.cancel();
    await until(() => operationLines().length === 1);
    expect(operationLines()[0]).toMatchObject({ key: 'web', operation: 'Watched', outcome: 'cancelled' });
  });

  test('an error before the first event is a payload; a query is plain JSON', async () => {
    const text = await (await ask('subscription { nothing }')).text();
    expect(text).toMatch(/\{"payload":\{"errors":\[.*BAD_USER_INPUT.*\}\r\n--graphql--\r\n$/);
    const query = await ask('{ health { status } }');
    expect(query.headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(await query.json()).toEqual({ data: { health: { status: 'OK' } } });
  });
});

describe("server-sent events with graphql-sse's client", () => {
  test('one connection for each operation: streams, queries and errors', async () => {
    const client = createSseClient({
      url: `${server.url}/graphql`,
      headers: { authorization },
      retryAttempts: 0,
    });
    const done: unknown[] = [];
    for await (const { data } of client.iterate({
      query: embedStream,
      variables: { texts: many(150, 'sse') },
    }))
      done.push((data as { embedStream: { done: number } }).embedStream.done);
    expect(done.at(-1)).toBe(150);
    const results: unknown[] = [];
    for await (const result of client.iterate({ query: '{ health { status } }' })) results.push(result);
    expect(results).toEqual([{ data: { health: { status: 'OK' } } }]);
    for await (const { errors } of client.iterate({ query: '{ nothing }' }))
      expect(errors![0]!.extensions!['code']).toBe('BAD_USER_INPUT');
    client.dispose();
  });
});

describe("one connection for all operations with graphql-sse's client", () => {
  const open = (key = authorization) =>
    createSseClient({
      url: `${server.url}/graphql`,
      singleConnection: true,
      headers: { authorization: key },
      retryAttempts: 0,
      lazyCloseTimeout: 10_000,
    });

  test('streams and queries side by side, each with its line; one that is ended computes nothing more', async () => {
    const client = open();
    const done = async (name: string) => {
      let last = 0;
      for await (const { data } of client.iterate({
        query: embedStream,
        variables: { texts: many(150, name) },
      }))
        last = (data as { embedStream: { done: number } }).embedStream.done;
      return last;
    };
    const health = client.iterate({ query: '{ health { status } }' }).next();
    expect(await Promise.all([done('one'), done('two')])).toEqual([150, 150]);
    expect((await health).value).toEqual({ data: { health: { status: 'OK' } } });
    const wrong = await client.iterate({ query: '{ nothing }' }).next();
    expect(wrong.value.errors[0].extensions.code).toBe('BAD_USER_INPUT');
    await until(() => operationLines().length === 4);
    provider.delayMs = 50;
    const watching = client.iterate({ query: embedStream, variables: { texts: many(300, 'ended') } });
    await watching.next();
    await watching.return!();
    await until(() => operationLines().length === 5);
    expect(operationLines()[4]).toMatchObject({ type: 'subscription', outcome: 'cancelled' });
    client.dispose();
  });

  test('a stream is for the key that reserved it, and opened once', async () => {
    const call = (method: string, key: string, token?: string) =>
      fetch(`${server.url}/graphql`, {
        method,
        headers: {
          authorization: `Bearer ${key}`,
          ...(token ? { 'x-graphql-event-stream-token': token, accept: 'text/event-stream' } : {}),
        },
      });
    const reserved = await call('PUT', 'secret');
    expect(reserved.status).toBe(201);
    const token = await reserved.text();
    expect((await call('GET', 'second', token)).status).toBe(404);
    const early = await server.post(
      { query: '{ health { status } }', extensions: { operationId: 'early' } },
      { headers: { authorization, 'x-graphql-event-stream-token': token } },
    );
    expect([early.status, await early.text()]).toEqual([409, expect.stringContaining('open it with GET')]);
    const opened = await call('GET', 'secret', token);
    expect(opened.headers.get('content-type')).toContain('text/event-stream');
    expect((await call('GET', 'secret', token)).status).toBe(409);
    await opened.body!.cancel();
    expect((await call('DELETE', 'secret')).status).toBe(404);
  });
});

test('one key may reserve a thousand streams, and no more until some of them are over', async () => {
  const full = await startEmbedQL({ ...provider.env, EMBEDQL_API_KEYS: 'one:1,other:2' });
  const reserve = async (key: string) => {
    const response = await fetch(`${full.url}/graphql`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${key}` },
    });
    return { status: response.status, text: await response.text() };
  };
  let first = '';
  for (let i = 0; i < 1_000; i++) {
    const { status, text } = await reserve('1');
    expect(status).toBe(201);
    first ||= text;
  }
  const refused = await reserve('1');
  expect([refused.status, refused.text]).toEqual([503, expect.stringContaining('OVERLOADED')]);
  expect((await reserve('2')).status).toBe(201);
  const opened = await fetch(`${full.url}/graphql`, {
    headers: {
      authorization: 'Bearer 1',
      'x-graphql-event-stream-token': first,
      accept: 'text/event-stream',
    },
  });
  await opened.body!.cancel();
  await expect.poll(async () => (await reserve('1')).status).toBe(201);
  await full.stop();
}, 60_000);

test('a stream whose results would take more memory than there is for clients is closed', async () => {
  const small = await startEmbedQL({ ...provider.env, EMBEDQL_MAX_BUFFERED_MB: '1' });
  const client = createSseClient({ url: `${small.url}/graphql`, singleConnection: true, retryAttempts: 0 });
  const query = 'mutation Large($texts: [String!]!) { embedBatch(texts: $texts) { embeddings } }';
  const ask = (n: number) => client.iterate({ query, variables: { texts: many(n, 'large') } }).next();
  const { value } = await ask(2);
  expect(value.data.embedBatch.embeddings).toHaveLength(2);
  await expect(ask(300)).rejects.toThrow();
  client.dispose();
  await small.stop();
});

describe('WebSockets', () => {
  const open = (connectionParams: Record<string, unknown> = { authorization }, path = '/graphql'): Client =>
    createClient({
      url: `${server.url.replace('http', 'ws')}${path}`,
      webSocketImpl: WebSocket,
      connectionParams,
      retryAttempts: 0,
      lazyCloseTimeout: 10_000,
    });

  test('queries, mutations and subscriptions on one connection, each with its line', async () => {
    const client = open();
    const answer = async (query: string, variables = {}) => {
      for await (const result of client.iterate({ query, variables })) return result;
      return undefined;
    };
    expect(await answer('{ health { status } }')).toEqual({ data: { health: { status: 'OK' } } });
    expect(await answer('mutation One { embed(text: "ws") { cached dimension } }')).toEqual({
      data: { embed: { cached: false, dimension: 1_536 } },
    });
    const failing = await answer(
      'mutation { a: embed(text: "ws") { cached } b: embed(text: " ") { cached } }',
    );
    expect(failing).toMatchObject({
      data: { a: { cached: true }, b: null },
      errors: [{ path: ['b'], extensions: { code: 'BAD_USER_INPUT', retryable: false } }],
    });
    const done: number[] = [];
    for await (const { data } of client.iterate({
      query: embedStream,
      variables: { texts: many(250, 'ws') },
    }))
      done.push((data as { embedStream: { done: number } }).embedStream.done);
    expect(done.at(-1)).toBe(250);
    await until(() => operationLines().length === 4);
    expect(operationLines().map(({ key, type, outcome, texts }) => [key, type, outcome, texts])).toEqual([
      ['web', 'query', 'ok', 0],
      ['web', 'mutation', 'ok', 1],
      ['web', 'mutation', 'failed', 1],
      ['web', 'subscription', 'ok', 250],
    ]);
    expect(new Set(operationLines().map(({ requestId }) => requestId)).size).toBe(1);
    const page = await (await fetch(`${server.url}/metrics`, { headers: { authorization } })).text();
    expect(page).toContain('embedql_websocket_connections 1');
    await client.dispose();
  });

  test('a slash behind the path is taken', async () => {
    const client = open(undefined, '/graphql/');
    for await (const result of client.iterate({ query: '{ health { status } }' }))
      expect(result).toEqual({ data: { health: { status: 'OK' } } });
    await client.dispose();
  });

  test('many at the same time share provider calls, and limits hold for each', async () => {
    const client = open();
    const embed = async (text: string) => {
      for await (const { data } of client.iterate({
        query: 'mutation($text: String!) { embed(text: $text) { dimension } }',
        variables: { text },
      }))
        return data;
      return undefined;
    };
    await embed('first, so that the connection is there');
    provider.forget();
    await Promise.all(many(32, 'together').map(embed));
    expect(provider.calls.length).toBeLessThanOrEqual(4);
    await expect(
      client.iterate({ query: embedStream, variables: { texts: many(301, 'over') } }).next(),
    ).rejects.toMatchObject([{ extensions: { code: 'COST_LIMIT_EXCEEDED' } }]);
    await expect(client.iterate({ query: '{ nothing }' }).next()).rejects.toMatchObject([
      { extensions: { code: 'BAD_USER_INPUT' } },
    ]);
    await client.dispose();
  });

  test.each([
    ['Bearer in connectionParams', { authorization }, true],
    ['the key alone', { Authorization: 'secret' }, true],
    ['in headers', { headers: { authorization } }, true],
    ['a wrong one', { authorization: 'Bearer wrong' }, false],
    ['none', {}, false],
  ])('the key: %s', async (_name, params, isKnown) => {
    const client = open(params);
    const answered = client.iterate({ query: '{ health { status } }' }).next();
    if (isKnown) expect((await answered).value).toEqual({ data: { health: { status: 'OK' } } });
    else
      await expect(answered).rejects.toMatchObject({
        code: 4403,
        reason: expect.stringContaining('connectionParams.authorization'),
      });
    await client.dispose();
  });

  const upgrade = async (headers: Record<string, string>, path = '/graphql') => {
    const socket = new WebSocket(`${server.url.replace('http', 'ws')}${path}`, 'graphql-transport-ws', {
      headers,
    });
    const status = await new Promise((resolve) => {
      socket.once('open', () => resolve(101));
      socket.once('unexpected-response', (_request, response) => resolve(response.statusCode));
      socket.once('error', () => {});
    });
    socket.terminate();
    return status;
  };

  test('a page of another origin is refused, and the log says with which setting it is let in', async () => {
    expect(await upgrade({ origin: 'https://app.example', 'sec-fetch-site': 'cross-site' })).toBe(101);
    expect(await upgrade({ origin: server.url })).toBe(101);
    expect(await upgrade({})).toBe(101);
    expect(await upgrade({ origin: 'https://evil.example' })).toBe(403);
    expect(await upgrade({ origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' })).toBe(403);
    expect(lines.filter(({ origin }) => origin === 'https://evil.example')).toHaveLength(1);
    expect(await upgrade({}, '/v1/embeddings')).toBe(404);
  });

  test('a client that leaves, or ends an operation, has it ended: nothing more is computed', async () => {
    provider.delayMs = 50;
    const client = open();
    const ended = new Promise<void>((resolve) => {
      const end = client.subscribe(
        { query: embedStream, variables: { texts: many(300, 'left') } },
        { next: () => end(), error: () => resolve(), complete: () => resolve() },
      );
    });
    await ended;
    await until(() => operationLines().length === 1);
    expect(operationLines()[0]).toMatchObject({ type: 'subscription', outcome: 'cancelled' });
    provider.delayMs = 5_000;
    void client
      .iterate({ query: 'mutation { embed(text: "given up") { cost } }' })
      .next()
      .catch(() => {});
    await until(() => provider.calls.some(({ input }) => input.includes('given up')));
    client.terminate();
    await until(() => operationLines().length === 2);
    expect(operationLines()[1]).toMatchObject({ type: 'mutation', outcome: 'cancelled' });
    await client.dispose();
  });

  test('a message over the limit closes the connection, and no plain line is printed', async () => {
    const socket = new WebSocket(`${server.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
    await new Promise((resolve) => socket.once('open', resolve));
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.send('x'.repeat(100_001));
    expect(await closed).toBe(1009);
    const other = new WebSocket(`${server.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
    await new Promise((resolve) => other.once('open', resolve));
    const refused = new Promise((resolve) => other.once('close', resolve));
    other.send('no JSON');
    expect(await refused).toBe(4400);
  });

  const socketOf = async () => {
    const socket = new WebSocket(`${server.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
    await new Promise((resolve) => socket.once('open', resolve));
    return socket;
  };
  const send = (socket: WebSocket, message: object) => socket.send(JSON.stringify(message));
  const subscribe = (socket: WebSocket, id: number, text: string) =>
    send(socket, {
      id: String(id),
      type: 'subscribe',
      payload: { query: `mutation { embed(text: "${text}") { cost } }` },
    });

  test('nothing is run that comes after the close, whether or not the client closes in turn', async () => {
    const socket = await socketOf();
    socket.pause();
    socket.send('no JSON');
    send(socket, { type: 'connection_init', payload: { authorization } });
    subscribe(socket, 1, 'after the close');
    const other = await socketOf();
    send(other, { type: 'connection_init', payload: { authorization } });
    await new Promise((resolve) => other.once('message', resolve));
    const answered = new Promise((resolve) => other.once('message', resolve));
    subscribe(other, 1, 'on another connection');
    await answered;
    expect(provider.calls.map(({ input }) => input)).toEqual([['on another connection']]);
    socket.terminate();
    other.terminate();
  });

  test('messages that arrive together are begun one a turn of the event loop', async () => {
    const socket = await socketOf();
    send(socket, { type: 'connection_init', payload: { authorization } });
    await new Promise((resolve) => socket.once('message', resolve));
    await server.graphql('mutation { embed(text: "known") { cost } }', {}, { headers: { authorization } });
    lines.length = 0;
    const ended: number[] = [];
    let turn = 0;
    const count = () => {
      turn += 1;
      while (ended.length < operationLines().length) ended.push(turn);
      if (ended.length < 50) setImmediate(count);
    };
    for (let i = 0; i < 50; i++) subscribe(socket, i, 'known');
    count();
    await until(() => ended.length === 50);
    expect(new Set(ended).size).toBeGreaterThan(25);
    socket.terminate();
  });

  test('a server that closes finishes what is under way, then says that it goes away', async () => {
    const closing = await startEmbedQL({ ...provider.env, EMBEDQL_PROVIDER_CONCURRENCY: '2' });
    const connection = () =>
      createClient({
        url: `${closing.url.replace('http', 'ws')}/graphql`,
        webSocketImpl: WebSocket,
        lazy: false,
        onNonLazyError: () => {},
        retryAttempts: 0,
      });
    const [busy, idle] = [connection(), connection()];
    const gone = [busy, idle].map(
      (client) =>
        new Promise((resolve) => client.on('closed', (event) => resolve((event as CloseEvent).code))),
    );
    provider.delayMs = 100;
    const answered = busy.iterate({ query: 'mutation { embed(text: "last") { dimension } }' }).next();
    await until(() => provider.calls.length > 0);
    const stopped = closing.stop();
    expect((await answered).value).toEqual({ data: { embed: { dimension: 1_536 } } });
    expect(await Promise.all(gone)).toEqual([1001, 1001]);
    await stopped;
  });
});

test('a request that asks for HTTP/2 on the side, as those of Java do, is answered by HTTP/1.1', async () => {
  const { port } = new URL(server.url);
  const body = '{"query":"{ health { status } }"}';
  const socket = connect(Number(port), '127.0.0.1');
  const head =
    `POST /graphql HTTP/1.1\r\nhost: x\r\nauthorization: ${authorization}\r\ncontent-type: application/json\r\n` +
    `content-length: ${body.length}\r\n`;
  socket.write(
    `${head}connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQBAAAAAAIAAAAA\r\n\r\n`,
  );
  socket.write(body);
  let text = '';
  const answers = () => text.split('{"data":{"health":{"status":"OK"}}}').length - 1;
  socket.on('data', (chunk) => {
    text += chunk;
    // The connection goes on.
    if (answers() === 1 && !text.includes('again')) socket.write(`${head}x-request-id: again\r\n\r\n${body}`);
  });
  await until(() => answers() === 2);
  socket.destroy();
});
