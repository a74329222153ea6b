import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { badUserInput } from '../core/errors.ts';
import { Connections } from './connections.ts';
import type { RequestListener } from './dispatch.ts';
import { type ErrorShape, HttpError, sendRawError } from './respond.ts';
import { limitSlowSenders } from './slow-clients.ts';
import { asksForWebSocket, type UpgradeListener } from './upgrade.ts';

export interface HttpServer {
  /** @returns the address that it listens on, such as `http://127.0.0.1:4000`. */
  listen(host: string, port: number): Promise<string>;
  /** Stops accepting, waits for what is in flight for at most `drainMs`, then cuts off the rest. */
  close(drainMs: number): Promise<void>;
}

/**
 * A server of our own around a listener: what concerns connections and not requests.
 * @param times milliseconds in which a request has to arrive, and that an idle connection is kept
 * @param errorsFor how a client reads that its request did not arrive, from the last that did at least begin
 * @param upgrade takes WebSockets
 */
export function createHttpServer(
  listener: RequestListener,
  { transferTimeoutMs, keepAliveMs }: { transferTimeoutMs: number; keepAliveMs: number },
  errorsFor: (request: IncomingMessage | undefined) => ErrorShape,
  upgrade: UpgradeListener,
): HttpServer {
  let closing = false;
  const begun = new WeakMap<Duplex, IncomingMessage>();
  const options = { connectionsCheckingInterval: checkMs, keepAliveTimeout: keepAliveMs };
  const server = createServer(options, (request, response) => {
    begun.set(request.socket, request);
    // Makes clients with a kept connection reconnect elsewhere.
    if (closing) response.setHeader('connection', 'close');
    listener(request, response);
  });
  limitSlowSenders(server, transferTimeoutMs, (socket) => errorsFor(begun.get(socket)));
  const connections = new Connections(server);
  server.on('upgrade', (request, socket, head) => {
    if (!asksForWebSocket(request)) return void askWithoutUpgrade(server, request, socket, head);
    if (!upgrade(request, socket, head)) sendRawError(socket, noWebSocketHere, { shape: errorsFor(request) });
  });

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

const noWebSocketHere = new HttpError(404, badUserInput('There is no WebSocket here; connect to /graphql.'));

/**
 * A server that takes WebSockets gets every request that asks for any other protocol, too: Java's client asks for HTTP/2
 * in this way with each of its requests. Whoever may not have it is to be answered by HTTP/1.1, so the request is read
 * once more, without that.
 */
function askWithoutUpgrade(server: Server, request: IncomingMessage, socket: Duplex, head: Buffer): void {
  const { method, url, httpVersion, rawHeaders } = request;
  const lines = [`${method} ${url} HTTP/${httpVersion}`];
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!;
    if (!/^(upgrade|connection|http2-settings)$/i.test(name)) lines.push(`${name}: ${rawHeaders[i + 1]}`);
  }
  socket.unshift(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), head]));
  server.emit('connection', socket);
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
