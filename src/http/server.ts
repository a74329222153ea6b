import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { EmbedQLError, toEmbedQLError } from '../embedder/errors.ts';
import type { Role } from '../schema/context.ts';
import type { Log } from '../telemetry/log.ts';
import type { Authenticate } from './auth.ts';
import { Connections } from './connections.ts';
import { sendError } from './respond.ts';

/** What is known of whoever sent a request. */
export interface Caller {
  role: Role;
  /** From `x-request-id`, or made here; it is in the answer and in the log. */
  requestId: string;
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
  /** Whether paths below it are its own, too. */
  below?: boolean;
  /** Whether the route wants a key where keys are set. */
  guarded: boolean;
  /** Tells somebody without a key in the shape that clients of this route read. Default: GraphQL's. */
  sendError?(response: ServerResponse, error: EmbedQLError): void;
  /** A page that a browser may open without a key: it holds nothing, and what it asks for is guarded. */
  isPage?(request: IncomingMessage): boolean;
}

export interface HttpServerOptions {
  routes: readonly Route[];
  authenticate: Authenticate;
  log: Log;
}

export interface HttpServer {
  /** @returns the address that it listens on, such as `http://127.0.0.1:4000`. */
  listen(host: string, port: number): Promise<string>;
  /** Stops accepting, waits for what is in flight for at most `drainMs`, then cuts off the rest. */
  close(drainMs: number): Promise<void>;
}

export function createHttpServer({ routes, authenticate, log }: HttpServerOptions): HttpServer {
  const byPath = new Map(routes.map((route) => [route.path, route]));
  let closing = false;

  const server = createServer(async (request, response) => {
    // Somebody who keeps the connection would otherwise go on using it.
    if (closing) response.setHeader('connection', 'close');
    try {
      await dispatch(request, response);
    } catch (error) {
      log.error({ err: error, path: pathOf(request) }, 'request failed');
      if (!response.headersSent) sendError(response, 500, toEmbedQLError(error));
      else response.destroy();
    }
  });

  const connections = new Connections(server);

  async function dispatch(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const requestId = requestIdOf(request);
    response.setHeader('x-request-id', requestId);
    const path = pathOf(request);
    const route = byPath.get(path) ?? routes.find((one) => one.below && path.startsWith(`${one.path}/`));
    if (!route) return sendError(response, 404, notFound(routes));
    const role = authenticate(request.headers.authorization);
    if (route.guarded && role === undefined && !route.isPage?.(request)) {
      response.setHeader('www-authenticate', 'Bearer realm="embedql"');
      return route.sendError ? route.sendError(response, keyWanted) : sendError(response, 401, keyWanted);
    }
    await route.handle(request, response, {
      role: role ?? 'client',
      requestId,
      setHeader: (name, value) => void response.setHeader(name, value),
    });
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

function listen(server: Server, host: string, port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
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
