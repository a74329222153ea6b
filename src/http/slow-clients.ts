import type { Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { badUserInput } from '../core/errors.ts';
import { type ErrorShape, HttpError, sendRawError } from './respond.ts';

/** How long the head of a request may take, at most. */
const headersMs = 10_000;

/** Time limits for receiving a request. @param shapeFor what tells a client that it sent none */
export function limitSlowSenders(
  server: Server,
  transferTimeoutMs: number,
  shapeFor: (socket: Duplex) => ErrorShape,
): void {
  server.requestTimeout = transferTimeoutMs;
  server.headersTimeout = Math.min(headersMs, transferTimeoutMs);
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) =>
    refuseBrokenRequest(error, socket, shapeFor(socket)),
  );
}

/** An answer that has been written has to be taken in time; a client who does not is cut off. */
export function limitSlowReader(response: ServerResponse, transferTimeoutMs: number): void {
  if (response.writableFinished || !response.writableEnded) return;
  const timer = setTimeout(() => response.destroy(), transferTimeoutMs);
  response.once('close', () => clearTimeout(timer));
}

/**
 * Writes a piece of an answer, and waits until the client has room for the next; one who does not take it in time is cut
 * off. Resolves when the response is closed, too.
 */
export function writeInTime(
  response: ServerResponse,
  piece: string | Uint8Array,
  transferTimeoutMs: number,
): Promise<void> {
  if (response.closed || response.write(piece)) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(() => response.destroy(), transferTimeoutMs);
    const done = () => {
      clearTimeout(timer);
      response.off('drain', done).off('close', done);
      resolve();
    };
    response.once('drain', done).once('close', done);
  });
}

const refusals: Record<string, readonly [status: number, message: string]> = {
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'The request took too long to arrive; send it again.'],
  HPE_HEADER_OVERFLOW: [431, 'The headers are too large; send fewer or shorter ones.'],
};

/** What is not HTTP gets an answer all the same, in the shape of every other error. */
function refuseBrokenRequest(error: NodeJS.ErrnoException, socket: Duplex, shape: ErrorShape): void {
  if (!socket.writable || error.code === 'ECONNRESET') return void socket.destroy();
  const [refused, message] = refusals[error.code ?? ''] ?? [400, 'The request is not valid HTTP.'];
  sendRawError(socket, new HttpError(refused, badUserInput(message)), { shape });
}
