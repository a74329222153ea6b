import type { ServerResponse } from 'node:http';
import type { EmbedQLError } from '../embedder/errors.ts';

export function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  const json = JSON.stringify(body);
  response.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(json),
    ...headers,
  });
  response.end(json);
}

/** An error in GraphQL's shape, for those who are turned away before GraphQL sees them. */
export function sendError(response: ServerResponse, status: number, error: EmbedQLError): void {
  const { message, code, retryable } = error;
  sendJson(response, status, { errors: [{ message, extensions: { code, retryable } }] });
}
