import { type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';

/** How long the head of a request may take, at most. */
const headersMs = 10_000;

/** Sets what a client may take its time for: sending a request. */
export function limitSlowSenders(server: Server, transferTimeoutMs: number): void {
  server.requestTimeout = transferTimeoutMs;
  server.headersTimeout = Math.min(headersMs, transferTimeoutMs);
  server.on('clientError', refuseBrokenRequest);
}

/** An answer that has been written has to be taken in time; a client who does not is cut off. */
export function limitSlowReader(response: ServerResponse, transferTimeoutMs: number): void {
  if (response.writableFinished || !response.writableEnded) return;
  const timer = setTimeout(() => response.destroy(), transferTimeoutMs);
  response.once('close', () => clearTimeout(timer));
}

const refusals: Record<string, { status: number; message: string }> = {
  ERR_HTTP_REQUEST_TIMEOUT: { status: 408, message: 'The request did not arrive in time; send it again.' },
  HPE_HEADER_OVERFLOW: { status: 431, message: 'The headers are too large; send fewer or shorter ones.' },
};

/** What is not HTTP gets an answer all the same, in the shape of every other error. */
function refuseBrokenRequest(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (!socket.writable || error.code === 'ECONNRESET') return void socket.destroy();
  const { status, message } = refusals[error.code ?? ''] ?? { status: 400, message: 'This is not HTTP.' };
  const extensions = { code: 'BAD_USER_INPUT', retryable: status === 408 };
  const body = JSON.stringify({ errors: [{ message, extensions }] });
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nconnection: close\r\ncontent-type: application/json; charset=utf-8\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    () => socket.destroy(),
  );
}
