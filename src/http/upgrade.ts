import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { badUserInput } from '../core/errors.ts';
import { placeOf } from './place.ts';
import { type ErrorShape, HttpError, sendRawError } from './respond.ts';

/**
 * Takes a connection that asks for another protocol, as Node's `upgrade` event gives it.
 * @returns whether it was for a path of ours; if not, nothing has been touched
 */
export type UpgradeListener = (request: IncomingMessage, socket: Duplex, head: Buffer) => boolean;

/** Refuses WebSockets on `path`: subscriptions are sent as server-sent events. */
export function createUpgrade(path: string, basePath: string, shape: ErrorShape): UpgradeListener {
  const refusal = new HttpError(
    400,
    badUserInput('WebSockets are not supported; POST the subscription with "accept: text/event-stream".'),
  );
  return (request, socket) => {
    if (placeOf(request, basePath)?.path !== path) return false;
    // Whoever has gone already need not be told.
    socket.on('error', () => socket.destroy());
    sendRawError(socket, refusal, { shape });
    return true;
  };
}
