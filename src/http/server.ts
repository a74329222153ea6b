import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Connections } from './connections.ts';
import type { RequestListener } from './dispatch.ts';
import type { ErrorShape } from './respond.ts';
import { limitSlowSenders } from './slow-clients.ts';

export interface HttpServer {
  /** @returns the address that it listens on, such as `http://127.0.0.1:4000`. */
  listen(host: string, port: number): Promise<string>;
  /** Stops accepting, waits for what is in flight for at most `drainMs`, then cuts off the rest. */
  close(drainMs: number): Promise<void>;
}

/**
 * A server of our own around a listener: what concerns connections and not requests.
 * @param times milliseconds in which a request has to arrive, and that an idle connection is kept
 * @param errors the shape of what tells a client that it sent no request
 */
export function createHttpServer(
  listener: RequestListener,
  { transferTimeoutMs, keepAliveMs }: { transferTimeoutMs: number; keepAliveMs: number },
  errors: ErrorShape,
): HttpServer {
  let closing = false;
  const options = { connectionsCheckingInterval: checkMs, keepAliveTimeout: keepAliveMs };
  const server = createServer(options, (request, response) => {
    // Somebody who keeps the connection would otherwise go on using it.
    if (closing) response.setHeader('connection', 'close');
    listener(request, response);
  });
  limitSlowSenders(server, transferTimeoutMs, errors);
  const connections = new Connections(server);

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
