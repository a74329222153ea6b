import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { badUserInput, type EmbedQLError } from '../core/errors.ts';
import { mayConnect } from './browsers.ts';
import { placeOf } from './place.ts';
import { type ErrorShape, HttpError, sendRawError } from './respond.ts';

/**
 * Takes a connection that asks for another protocol, as Node's `upgrade` event gives it.
 * @returns whether it was for a path of ours; if not, nothing has been touched
 */
export type UpgradeListener = (request: IncomingMessage, socket: Duplex, head: Buffer) => boolean;

export interface UpgradeOptions {
  /** Where WebSockets are taken, with a slash behind it as without. */
  path: string;
  /** What stands in front of every path. */
  basePath: string;
  /** The shape of a refusal. */
  errors: ErrorShape;
  /** Of web pages that may use this server from a browser. */
  corsOrigins: readonly string[];
  /** Why nobody is taken at the moment; undefined: somebody is. */
  refusal(): EmbedQLError | undefined;
  /** A page of another origin was refused. */
  onCrossOrigin(origin: string | undefined): EmbedQLError;
  /** Takes the connection over. */
  accept(request: IncomingMessage, socket: Duplex, head: Buffer): void;
}

/** Whether a request asks for a WebSocket, and not for HTTP/2 as some clients do by default. */
export function asksForWebSocket({ headers }: IncomingMessage): boolean {
  return /^\s*websocket\s*$/i.test(headers.upgrade ?? '');
}

/** Lets in who asks for a WebSocket on our path and may: a page of another origin may not, as for requests. */
export function createUpgrade(options: UpgradeOptions): UpgradeListener {
  const { path, basePath, errors, corsOrigins } = options;
  return (request, socket, head) => {
    if (placeOf(request, basePath)?.path.replace(/\/$/, '') !== path) return false;
    // Whoever has gone already need not be told.
    socket.on('error', () => socket.destroy());
    const refusal = asksForWebSocket(request)
      ? mayConnect(request, corsOrigins)
        ? options.refusal()
        : options.onCrossOrigin(request.headers.origin)
      : noWebSocket;
    if (refusal) sendRawError(socket, refusal, { shape: errors });
    else options.accept(request, socket, head);
    return true;
  };
}

const noWebSocket = new HttpError(400, badUserInput('Send "upgrade: websocket", or no upgrade at all.'));

/** A request id from outside is taken over where it looks like one; anything else could be anything. */
export function requestIdOf({ headers }: IncomingMessage): string {
  const given = headers['x-request-id'];
  return typeof given === 'string' && /^[\w.:/+=-]{1,128}$/.test(given) ? given : randomUUID();
}
