import { type ServerResponse, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { EmbedQLError, errorKinds } from '../core/errors.ts';

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

/** An error about the request itself, whose status says more than its code's. */
export class HttpError extends EmbedQLError {
  readonly status: number;

  constructor(status: number, { code, message, hint }: EmbedQLError) {
    super(code, message, { ...(hint ? { hint } : {}), retryable: status === 408 });
    this.status = status;
  }
}

/** How the clients of a route read errors. */
export interface ErrorShape {
  /** What is sent as JSON. */
  body(error: EmbedQLError, status: number): unknown;
  /** The status, where these clients need another than `errorKinds` has. */
  statusOf?(error: EmbedQLError): number | undefined;
  /** What these clients look for in the head, beside `retry-after`. */
  headers?(error: EmbedQLError): Headers;
}

export interface ErrorOptions {
  shape: ErrorShape;
  /** Default: the error's own, the shape's, or that of `errorKinds`, in this order. */
  status?: number;
  /** Media type. Default: `application/json`. */
  type?: string;
}

/** Status, headers and body that tell of an error. */
function errorAnswer(error: EmbedQLError, { shape, status, type = 'application/json' }: ErrorOptions) {
  const own = error instanceof HttpError ? error.status : undefined;
  const sent = status ?? own ?? shape.statusOf?.(error) ?? statusOf(error);
  return {
    status: sent,
    type: `${type}; charset=utf-8`,
    headers: { ...retryAfter(error), ...shape.headers?.(error) },
    body: JSON.stringify(shape.body(error, sent)),
  };
}

/** A plug-in with another version of this package may throw a code that is not known here. */
function statusOf({ code }: EmbedQLError): number {
  return (errorKinds[code] ?? errorKinds.INTERNAL_SERVER_ERROR).status;
}

/** Answers with an error: the one way for servers and doors alike. */
export function sendError(response: ServerResponse, error: EmbedQLError, options: ErrorOptions): void {
  const { status, type, headers, body } = errorAnswer(error, options);
  sendBytes(response, status, type, body, headers);
}

/** Answers with an error on a connection that has no response: what came over it is no request. */
export function sendRawError(socket: Duplex, error: EmbedQLError, options: ErrorOptions): void {
  const { status, type, body } = errorAnswer(error, options);
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nconnection: close\r\ncontent-type: ${type}\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    () => socket.destroy(),
  );
}

/** When to come back, for those who read headers: whole seconds, and milliseconds as OpenAI's clients know them. */
function retryAfter({ retryAfterMs }: EmbedQLError): Headers {
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
