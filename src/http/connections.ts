import type { Server } from 'node:http';
import type { Socket } from 'node:net';

/**
 * Which connections of a server have nothing under way. `server.closeIdleConnections()` should know, but loses
 * sight of some on Node 20 once a client has broken off a request: they then hold up the end for as long as
 * keep-alive lasts.
 */
export class Connections {
  readonly #active = new Map<Socket, number>();
  #closing = false;

  constructor(server: Server) {
    server.on('connection', (socket: Socket) => {
      this.#active.set(socket, 0);
      socket.once('close', () => this.#active.delete(socket));
    });
    // Who takes it over closes it.
    server.on('upgrade', (_request, socket: Socket) => this.#active.delete(socket));
    server.on('request', ({ socket }, response) => {
      this.#count(socket, 1);
      response.once('close', () => this.#count(socket, -1));
    });
  }

  /** Closes those that are idle now, and each of the others as soon as it is. */
  closeWhenIdle(): void {
    this.#closing = true;
    for (const socket of this.#active.keys()) this.#count(socket, 0);
  }

  #count(socket: Socket, by: number): void {
    const active = (this.#active.get(socket) ?? 0) + by;
    if (this.#active.has(socket)) this.#active.set(socket, active);
    if (this.#closing && active === 0) socket.end(() => socket.destroy());
  }
}
