import { once } from 'node:events';
import { createServer as createHttpServer, request as httpRequest, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import middie from '@fastify/middie';
import express from 'express';
import Fastify from 'fastify';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createServer, type EmbedQLServer, type ServerOptions } from '../../src/server.ts';
import { type ProviderServer, startProvider } from '../support/provider-server.ts';

let provider: ProviderServer;
beforeAll(async () => {
  provider = await startProvider();
});
beforeEach(() => provider.forget());
afterAll(() => provider.close());

const endings: Array<() => unknown> = [];
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
});

async function embedql(options: Omit<ServerOptions, 'env'> & { env?: Record<string, string> } = {}) {
  const { env, ...more } = options;
  const server = await createServer({
    env: { LOG_LEVEL: 'silent', EMBEDQL_API_KEYS: 'web:key', ...provider.env, ...env },
    ...more,
  });
  endings.push(() => server.close());
  return server;
}

async function listening(server: Server): Promise<string> {
  await once(server, 'listening');
  endings.push(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const post = (url: string, body: unknown, headers: Record<string, string> = {}) =>
  fetch(url, {
    method: 'POST',
    headers: { authorization: 'Bearer key', 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
const query = 'mutation { a: embed(text: "cat") { dimension } b: embed(text: "dog") { dimension } }';

/** An app with `server` in it, and a route of its own at `/own`. */
type Mount = (server: EmbedQLServer) => Promise<string>;

const plain: Mount = ({ handler }) =>
  listening(
    createHttpServer((request, response) =>
      handler(request, response, () => {
        const isOwn = request.url === '/own';
        response.writeHead(isOwn ? 200 : 404).end(isOwn ? 'own' : 'nothing in the app');
      }),
    ).listen(0, '127.0.0.1'),
  );

const ways: Record<
  string,
  { mount: Mount; prefix: string; options?: Pick<ServerOptions, 'basePath'>; notFound: string }
> = {
  'node:http, beside other paths': {
    prefix: '',
    notFound: 'nothing in the app',
    mount: plain,
  },
  'node:http, below basePath': {
    prefix: '/ai',
    options: { basePath: '/ai' },
    notFound: 'nothing in the app',
    mount: plain,
  },
  'Express, mounted at a prefix': {
    prefix: '/ai',
    notFound: 'nothing in the app',
    mount: ({ handler }) => listening(expressApp((app) => app.use('/ai', handler))),
  },
  'Express, mounted at a prefix that basePath says again': {
    prefix: '/ai',
    options: { basePath: '/ai/' },
    notFound: 'nothing in the app',
    mount: ({ handler }) => listening(expressApp((app) => app.use('/ai', handler))),
  },
  'Express, after its body parser, below basePath': {
    prefix: '/deep/ai',
    options: { basePath: '/deep/ai' },
    notFound: 'nothing in the app',
    mount: ({ handler }) =>
      listening(expressApp((app) => app.use(express.json({ limit: '1mb' })).use(handler))),
  },
  'Express, after a parser that leaves bytes': {
    prefix: '/ai',
    notFound: 'nothing in the app',
    mount: ({ handler }) =>
      listening(expressApp((app) => app.use(express.raw({ type: '*/*' })).use('/ai', handler))),
  },
  'Fastify, with its parsed body': {
    prefix: '/ai',
    options: { basePath: '/ai' },
    notFound: 'Route GET:/ai-not not found',
    mount: async ({ handler }) => {
      const app = Fastify();
      app.get('/own', async () => 'own');
      for (const path of ['/ai', '/ai/*'])
        app.all(path, (request, reply) => {
          reply.hijack();
          handler(Object.assign(request.raw, { body: request.body }), reply.raw);
        });
      endings.push(() => app.close());
      return app.listen({ port: 0 });
    },
  },
  'Fastify, in a part of its own without parsers': {
    prefix: '/ai',
    options: { basePath: '/ai' },
    notFound: 'Route GET:/ai-not not found',
    mount: async ({ handler }) => {
      const app = Fastify();
      app.get('/own', async () => 'own');
      await app.register(async (part) => {
        part.removeAllContentTypeParsers();
        part.addContentTypeParser('*', (_request, _payload, done) => done(null));
        for (const path of ['/ai', '/ai/*'])
          part.all(path, (request, reply) => {
            reply.hijack();
            handler(request.raw, reply.raw);
          });
      });
      endings.push(() => app.close());
      return app.listen({ port: 0 });
    },
  },
  'Fastify, as a middleware': {
    prefix: '/ai',
    notFound: 'Route GET:/ai-not not found',
    mount: async ({ handler }) => {
      const app = Fastify();
      await app.register(middie);
      app.use('/ai', handler);
      app.get('/own', async () => 'own');
      endings.push(() => app.close());
      return app.listen({ port: 0 });
    },
  },
};

function expressApp(mount: (app: express.Express) => unknown): Server {
  const app = express();
  app.get('/own', (_request, response) => void response.send('own'));
  mount(app);
  app.use((_request, response) => void response.status(404).send('nothing in the app'));
  return app.listen(0, '127.0.0.1');
}

describe.each(Object.entries(ways))('%s', (_name, { mount, prefix, options, notFound }) => {
  const start = async (env?: Record<string, string>) => {
    const server = await embedql({ ...options, ...(env ? { env } : {}) });
    const base = await mount(server);
    return { server, base, url: base + prefix };
  };

  test('every door answers, with its guards, beside the routes of the app', async () => {
    const { base, url } = await start();
    expect(await (await fetch(`${base}/own`)).text()).toBe('own');
    expect(await (await fetch(`${base}/ai-not`)).text()).toContain(notFound);

    const answer = await post(`${url}/graphql`, { query });
    expect(await answer.json()).toEqual({ data: { a: { dimension: 1_536 }, b: { dimension: 1_536 } } });
    expect(provider.calls).toHaveLength(1);
    expect(answer.headers.get('x-request-id')).toBeTruthy();
    const openai = await post(`${url}/v1/embeddings`, { input: ['cat', 'bird'] });
    expect((await openai.json()).data).toHaveLength(2);
    const model = await fetch(`${url}/v1/models/text-embedding-3-small`, {
      headers: { authorization: 'Bearer key' },
    });
    expect(await model.json()).toMatchObject({ id: 'text-embedding-3-small' });
    const get = await fetch(`${url}/graphql?query={__typename}`, {
      headers: { authorization: 'Bearer key' },
    });
    expect(await get.json()).toEqual({ data: { __typename: 'Query' } });
    expect((await post(`${url}/graphql`, { query }, { authorization: '' })).status).toBe(401);
    expect((await post(`${url}/v1/embeddings`, { input: 'x' }, { authorization: '' })).status).toBe(401);
    expect((await fetch(`${url}/metrics`)).status).toBe(401);
    expect(await (await fetch(`${url}/health`)).json()).toEqual({ status: 'ok' });
    const elsewhere = { 'sec-fetch-site': 'cross-site' };
    expect((await post(`${url}/graphql`, { query }, elsewhere)).status).toBe(403);
  });

  test('what is wrong with a body is said as it always is', async () => {
    const { url } = await start({ EMBEDQL_MAX_BODY_BYTES: '1000' });
    const large = JSON.stringify({
      query: `# ${'x'.repeat(1_000)}\n{ __typename }`,
      input: 'x'.repeat(1_000),
    });
    expect((await post(`${url}/graphql`, large)).status).toBe(413);
    expect((await post(`${url}/v1/embeddings`, large)).status).toBe(413);
    for (const [body, message] of [
      [[1], /is not an operation/],
      [{}, /is not an operation/],
      [{ query: 1 }, /query/],
    ] as const) {
      const answer = await post(`${url}/graphql`, body);
      expect((await answer.json()).errors[0].message).toMatch(message);
    }
    const wrong = await post(`${url}/v1/embeddings`, { input: ['a', 'b', ''] });
    expect(await wrong.json()).toMatchObject({ error: { param: 'input[2]', code: 'bad_user_input' } });
    const form = { 'content-type': 'application/graphql+json-not' };
    expect((await post(`${url}/graphql`, { query }, form)).status).toBe(415);
    expect(provider.calls).toHaveLength(0);
  });

  test('pages load below the prefix, and streams are streams', async () => {
    const { url } = await start();
    const page = await fetch(`${url}/`, { headers: { accept: 'text/html' } });
    const html = await page.text();
    const links = [...html.matchAll(/(?:src|href)="([^"#][^"]*)"/g)].map(([, link]) => link!);
    expect(links.length).toBeGreaterThan(5);
    for (const link of links) {
      const target = new URL(link, page.url);
      expect(target.href.startsWith(`${url}/`)).toBe(true);
      const status = target.pathname.endsWith('/metrics') ? 401 : 200;
      expect([link, (await fetch(target, { headers: { accept: 'text/html' } })).status]).toEqual([
        link,
        status,
      ]);
    }
    if (prefix !== '') {
      const bare = await fetch(url, { redirect: 'manual' });
      expect([bare.status, bare.headers.get('location')]).toEqual([308, './ai/']);
    }
    const graphiql = await fetch(`${url}/graphql`, { headers: { accept: 'text/html' } });
    expect(await graphiql.text()).toContain('EmbedQL');

    const stream = await post(
      `${url}/graphql`,
      { query: 'subscription { embedStream(texts: ["a", "b"]) { embeddings { index } } }' },
      { accept: 'text/event-stream' },
    );
    expect(stream.headers.get('content-type')).toContain('text/event-stream');
    expect((await stream.text()).match(/"index":/g)).toHaveLength(2);
  });
});

test('a body that came packed counts unpacked, after a parser that unpacks it', async () => {
  const { handler } = await embedql({ env: { EMBEDQL_MAX_BODY_BYTES: '10000' } });
  const url = await listening(expressApp((app) => app.use(express.json({ limit: '1mb' })).use(handler)));
  const { gzipSync } = await import('node:zlib');
  const send = (length: number) =>
    fetch(`${url}/graphql`, {
      method: 'POST',
      headers: {
        authorization: 'Bearer key',
        'content-type': 'application/json',
        'content-encoding': 'gzip',
      },
      body: gzipSync(
        JSON.stringify({
          query: '{ __typename }',
          operationName: null,
          extensions: { x: 'x'.repeat(length) },
        }),
      ),
    });
  expect((await send(10)).status).toBe(200);
  expect((await send(20_000)).status).toBe(413);
});

test('packed bodies, and those past the limit of its parsers, come through Fastify where these are left out', async () => {
  const way = ways['Fastify, in a part of its own without parsers']!;
  const url = `${await way.mount(await embedql(way.options))}/ai/graphql`;
  const { gzipSync } = await import('node:zlib');
  const packed = await fetch(url, {
    method: 'POST',
    headers: { authorization: 'Bearer key', 'content-type': 'application/json', 'content-encoding': 'gzip' },
    body: gzipSync(JSON.stringify({ query: '{ __typename }' })),
  });
  expect(await packed.json()).toEqual({ data: { __typename: 'Query' } });
  const large = { query: '{ __typename }', extensions: { x: 'x'.repeat(2_000_000) } };
  expect((await post(url, large)).status).toBe(200);
});

test('a body that was read and thrown away is told, not waited for', async () => {
  const { handler } = await embedql();
  const url = await listening(
    createHttpServer(async (request, response) => {
      for await (const _ of request);
      handler(request, response);
    }).listen(0, '127.0.0.1'),
  );
  const answer = await post(`${url}/graphql`, { query });
  expect(answer.status).toBe(400);
  expect((await answer.json()).errors[0].message).toContain('request.body');
  expect((await post(`${url}/v1/embeddings`, { input: 'x' })).status).toBe(400);
});

test('without next, a path that is not ours gets 404, with our paths below their prefix', async () => {
  const { handler } = await embedql({ basePath: '/ai' });
  const url = await listening(createHttpServer(handler).listen(0, '127.0.0.1'));
  const answer = await fetch(`${url}/graphql`);
  expect(answer.status).toBe(404);
  expect((await answer.json()).errors[0].message).toContain('/ai/graphql, /ai/');
});

test('a client that goes takes its text out of the queue of a mounted handler, too', async () => {
  const { handler } = await embedql({ env: { EMBEDQL_BATCH_WINDOW_MS: '500' } });
  const url = await listening(expressApp((app) => app.use(express.json()).use('/ai', handler)));
  const sent = httpRequest(`${url}/ai/graphql`, {
    method: 'POST',
    headers: { authorization: 'Bearer key', 'content-type': 'application/json' },
  });
  sent.on('error', () => {});
  sent.end(JSON.stringify({ query: 'mutation { embed(text: "gone") { dimension } }' }));
  await new Promise((resolve) => setTimeout(resolve, 200));
  sent.destroy();
  const { data } = await (
    await post(`${url}/ai/graphql`, { query: 'mutation { embed(text: "here") { dimension } }' })
  ).json();
  expect(data.embed.dimension).toBe(1_536);
  expect(provider.calls.map(({ input }) => input)).toEqual([['here']]);
});

test('close finishes what is in flight, and a mounted handler refuses what comes later', async () => {
  const server = await embedql();
  const url = await listening(createHttpServer(server.handler).listen(0, '127.0.0.1'));
  provider.delayMs = 300;
  const underWay = post(`${url}/graphql`, { query: 'mutation { embed(text: "under way") { dimension } }' });
  await expect.poll(() => provider.calls.length).toBe(1);
  const closing = server.close();
  expect(await (await fetch(`${url}/ready`)).json()).toMatchObject({ status: 'unavailable' });
  expect((await underWay).status).toBe(200);
  await closing;
  provider.delayMs = 0;
  expect((await post(`${url}/graphql`, { query })).status).toBe(503);
  await server.close();
});

test('two servers in one process have their own cache, figures, keys and end', async () => {
  const [one, other] = [await embedql(), await embedql({ env: { EMBEDQL_API_KEYS: 'web:other' } })];
  const [a, b] = [await one.listen({ port: 0 }), await other.listen({ port: 0 })];
  expect([one.address, other.address]).toEqual([a, b]);
  expect((await post(`${a}/graphql`, { query })).status).toBe(200);
  expect((await post(`${b}/graphql`, { query })).status).toBe(401);
  const asOther = { authorization: 'Bearer other' };
  await post(`${b}/graphql`, { query }, asOther);
  expect(provider.calls).toHaveLength(2);
  await one.close();
  expect(one.address).toBeUndefined();
  const metrics = await fetch(`${b}/metrics`, { headers: asOther });
  expect(await metrics.text()).toMatch(/^embedql_provider_calls_total\{.*\} 1$/m);
});

test('importing and making a server leaves the process as it was', async () => {
  const events = ['SIGTERM', 'SIGINT', 'uncaughtException', 'unhandledRejection', 'exit', 'warning'] as const;
  const count = () => events.map((event) => process.listenerCount(event));
  const before = { listeners: count(), globals: Object.keys(globalThis), env: { ...process.env } };
  const server = await embedql();
  await server.listen({ port: 0 });
  expect({ listeners: count(), globals: Object.keys(globalThis), env: { ...process.env } }).toEqual(before);
});

test('WebSockets are taken on our path, and left alone elsewhere', async () => {
  const { handler, upgrade } = await embedql({ basePath: '/ai' });
  const server = createHttpServer(handler).listen(0, '127.0.0.1');
  server.on('upgrade', (request, socket, head) => {
    if (!upgrade(request, socket, head)) socket.end('HTTP/1.1 101 Switching Protocols\r\n\r\nours');
  });
  const { port } = new URL(await listening(server));
  const ask = async (path: string) => {
    const socket = connect(Number(port), '127.0.0.1');
    socket.write(
      `GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-protocol: graphql-transport-ws\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`,
    );
    let text = '';
    for await (const chunk of socket) {
      text += chunk;
      if (text.includes('\r\n\r\n')) break;
    }
    return text;
  };
  expect(await ask('/ai/graphql')).toMatch(/^HTTP\/1\.1 101 [\s\S]*graphql-transport-ws/);
  expect(await ask('/chat')).toMatch(/ours$/);
});

test('a wrong basePath, setting or address is named', async () => {
  await expect(embedql({ basePath: 'ai' })).rejects.toThrow('basePath: expected a path such as /ai');
  await expect(embedql({ env: { PORT: 'x' } })).rejects.toThrow(/^PORT: /);
  const [one, other] = [await embedql(), await embedql()];
  const { port } = new URL(await one.listen({ port: 0 }));
  await expect(other.listen({ port: Number(port) })).rejects.toThrow(`PORT: ${port} is taken`);
});
