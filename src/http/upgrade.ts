import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { badUserInput } from '../core/errors.ts';
import { placeOf } from './place.ts';
import { errorBody } from './respond.ts';

/**
 * Takes a connection that asks for another protocol, as Node's `upgrade` event gives it.
 * @returns whether it was for a path of ours; if not, nothing has been touched
 */
export type UpgradeListener = (request: IncomingMessage, socket: Duplex, head: Buffer) => boolean;

/** Refuses WebSockets on `path`: subscriptions are sent as server-sent events. */
export function createUpgrade(path: string, basePath: string): UpgradeListener {
  const body = errorBody(
    badUserInput('There are no WebSockets here; POST the subscription with "accept: text/event-stream".'),
  );
  return (request, socket) => {
    if (placeOf(request, basePath)?.path !== path) return false;
    // Whoever has gone already need not be told.
    socket.on('error', () => socket.destroy());
    socket.end(
      'HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-type: application/json; charset=utf-8\r\n' +
        `content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
      () => socket.destroy(),
    );
    return true;
  };
}
