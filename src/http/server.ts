import { randomUUID } from 'node:crypto';
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Authenticate, Identity } from '../admission/keys.ts';
import { badUserInput, EmbedQLError, toEmbedQLError } from '../core/errors.ts';
import type { Log } from '../core/surroundings.ts';
import { BrokenOff } from './body.ts';
import { createCrossOriginCheck, setSafeHeaders } from './browsers.ts';
import { Connections } from './connections.ts';
import { Buffers, OutputBuffers, type RequestBuffer, tooMuchBuffered } from './memory.ts';
import { sendError } from './respond.ts';
import { limitSlowReader, limitSlowSenders } from './slow-clients.ts';

/** What is known of whoever sent a request. */
export interface Caller extends Identity {
  /** From `x-request-id`, or made here; it is in the answer and in the log. */
  requestId: string;
  headers: IncomingHttpHeaders;
  /** Where the bytes of the body are accounted for. */
  buffer: RequestBuffer;
  /** Memory for a large answer, from its size in bytes. */
  allocate(bytes: number): Buffer;
  /** Puts a header on the answer. */
  setHeader(name: string, value: string): void;
}

export type Handler = (
  request: IncomingMessage,
  response: ServerResponse,
  caller: Caller,
) => void | Promise<void>;

export interface Route {
  path: string;
  handle: Handler;
  /** Default: GET and HEAD. */
  methods?: readonly string[];
  /** Whether paths below it are its own, too. */
  below?: boolean;
  /** Whether the route wants a key where keys are set, and is kept from pages of other origins. */
  guarded: boolean;
  /** Tells somebody who is turned away in the shape that clients of this route read. Default: GraphQL's. */
  sendError?(response: ServerResponse, error: EmbedQLError, status: number): void;
  /** A page that a browser may open without a key: it holds nothing, and what it asks for is guarded. */
  page?: { isWanted(request: IncomingMessage): boolean; handle: Handler };
}

export interface HttpServerOptions {
  routes: readonly Route[];
  authenticate: Authenticate;
  /** Of web pages that may use this server from a browser. */
  corsOrigins: readonly string[];
  /** Bytes that may be held for clients, of bodies and of answers. */
  maxBufferedBytes: number;
  /** Milliseconds in which a request has to arrive, and an answer to be taken. */
  transferTimeoutMs: number;
  log: Log;
}

export interface HttpServer {
  /** @returns the address that it listens on, such as `http://127.0.0.1:4000`. */
  listen(host: string, port: number): Promise<string>;
  /** Stops accepting, waits for what is in flight for at most `drainMs`, then cuts off the rest. */
  close(drainMs: number): Promise<void>;
}

export function createHttpServer(options: HttpServerOptions): HttpServer {
  const { routes, authenticate, transferTimeoutMs, log } = options;
  const byPath = new Map(routes.map((route) => [route.path, route]));
  const checkOrigin = createCrossOriginCheck(options.corsOrigins);
  const buffers = new Buffers(options.maxBufferedBytes);
  const outputs = new OutputBuffers();
  let closing = false;

  const server = createServer({ connectionsCheckingInterval: checkMs }, async (request, response) => {
    // Somebody who keeps the connection would otherwise go on using it.
    if (closing) response.setHeader('connection', 'close');
    const buffer = buffers.forRequest(response);
    try {
      await dispatch(request, response, buffer);
    } catch (error) {
      if (error instanceof BrokenOff) return void response.destroy();
      log.error({ err: error, path: pathOf(request) }, 'request failed');
      if (!response.headersSent) sendError(response, 500, toEmbedQLError(error));
      else response.destroy();
    }
    buffer.answered();
    limitSlowReader(response, transferTimeoutMs);
  });
  limitSlowSenders(server, transferTimeoutMs);

  const connections = new Connections(server);

  async function dispatch(
    request: IncomingMessage,
    response: ServerResponse,
    buffer: RequestBuffer,
  ): Promise<void> {
    const requestId = requestIdOf(request);
    response.setHeader('x-request-id', requestId);
    setSafeHeaders(response);
    const path = pathOf(request);
    const route = byPath.get(path) ?? routes.find((one) => one.below && path.startsWith(`${one.path}/`));
    if (!route) return sendError(response, 404, notFound(routes));
    const caller = (identity: Identity): Caller => ({
      ...identity,
      requestId,
      headers: request.headers,
      buffer,
      allocate: (bytes) => outputs.for(response, bytes),
      setHeader: (name, value) => void response.setHeader(name, value),
    });
    const turnAway = (status: number, error: EmbedQLError) =>
      route.sendError ? route.sendError(response, error, status) : sendError(response, status, error);
    const { methods = ['GET', 'HEAD'] } = route;
    const isAllowed = methods.includes(request.method ?? '');
    const refuseMethod = () => {
      response.setHeader('allow', methods.join(', '));
      turnAway(405, badUserInput(`Send one of ${methods.join(', ')}.`));
    };
    if (!route.guarded) return isAllowed ? route.handle(request, response, caller(nobody)) : refuseMethod();
    if (route.page?.isWanted(request)) return route.page.handle(request, response, caller(nobody));

    const origin = checkOrigin(request, response);
    if (origin === 'answered') return;
    if (origin === 'refuse') return turnAway(403, crossOrigin);
    if (request.method === 'OPTIONS') return refuseMethod();
    const identity = authenticate(request.headers.authorization);
    if (!identity) {
      response.setHeader('www-authenticate', 'Bearer realm="embedql"');
      return turnAway(401, keyWanted);
    }
    if (!isAllowed) return refuseMethod();
    if (buffers.full) return turnAway(503, tooMuchBuffered);
    await route.handle(request, response, caller(identity));
  }

  return {
    listen: (host, port) => listen(server, host, port),
    async close(drainMs) {
      closing = true;
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      connections.closeWhenIdle();
      await Promise.race([closed, sleep(drainMs, undefined, { ref: false })]);
      server.closeAllConnections();
      await closed;
    },
  };
}

/** Connections that may wait to be accepted. Node's 511 is less than a burst: who finds no place tries again after 1 s. */
const backlog = 4_096;

/** How often connections are looked at for those that are late. */
const checkMs = 1_000;

function listen(server: Server, host: string, port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, host, backlog }, () => {
      server.off('error', reject);
      const { address, family, port: actual } = server.address() as AddressInfo;
      resolve(`http://${family === 'IPv6' ? `[${address}]` : address}:${actual}`);
    });
  });
}

/** A request id from outside is taken over where it looks like one; anything else could be anything. */
function requestIdOf({ headers }: IncomingMessage): string {
  const given = headers['x-request-id'];
  return typeof given === 'string' && /^[\w.:/+=-]{1,128}$/.test(given) ? given : randomUUID();
}

function pathOf(request: IncomingMessage): string {
  const url = request.url ?? '/';
  const query = url.indexOf('?');
  return query === -1 ? url : url.slice(0, query);
}

const nobody: Identity = { role: 'client', key: 'anonymous' };

const crossOrigin = new EmbedQLError(
  'FORBIDDEN',
  'A page of another origin may not use this server; allow its origin in EMBEDQL_CORS_ORIGINS.',
);

const keyWanted = new EmbedQLError('UNAUTHENTICATED', 'A key is wanted: send "Authorization: Bearer <key>".');

function notFound(routes: readonly Route[]): EmbedQLError {
  return new EmbedQLError(
    'BAD_USER_INPUT',
    `There is nothing here; try one of ${routes
      .map(({ path }) => path)
      .filter((path) => !path.includes('.'))
      .join(', ')}.`,
  );
}
