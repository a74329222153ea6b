import type { ServerResponse } from 'node:http';
import type { EmbedQLError } from '../core/errors.ts';

type Headers = Record<string, string>;

/** Sends a whole body. */
export function sendBytes(
  response: ServerResponse,
  status: number,
  type: string,
  body: string | Uint8Array,
  headers: Headers = {},
): void {
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    ...headers,
  });
  response.end(body);
}

export function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Headers = {},
): void {
  sendBytes(response, status, 'application/json; charset=utf-8', JSON.stringify(body), headers);
}

/** An error in GraphQL's shape, as JSON. */
export function errorBody({ message, code, retryable, retryAfterMs }: EmbedQLError): string {
  const extensions = { code, retryable, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
  return JSON.stringify({ errors: [{ message, extensions }] });
}

/** An error in GraphQL's shape, for those who are turned away before GraphQL sees them. */
export function sendError(response: ServerResponse, status: number, error: EmbedQLError): void {
  sendBytes(response, status, 'application/json; charset=utf-8', errorBody(error), retryAfter(error));
}

/** When to come back, for those who read headers: whole seconds, and milliseconds as OpenAI's clients know them. */
export function retryAfter({ retryAfterMs }: EmbedQLError): Headers {
  if (retryAfterMs === undefined) return {};
  return {
    'retry-after': String(Math.ceil(retryAfterMs / 1_000)),
    'retry-after-ms': String(Math.ceil(retryAfterMs)),
  };
}

/** Aborts when the client goes away before its answer has been written. */
export function clientGone(response: ServerResponse): AbortSignal {
  const gone = new AbortController();
  response.once('close', () => {
    if (!response.writableEnded) gone.abort();
  });
  return gone.signal;
}
