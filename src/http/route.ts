import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { Identity } from '../admission/keys.ts';
import type { EndingBuffer, RequestBuffer } from './memory.ts';
import type { ErrorShape } from './respond.ts';

/** A request, with what another framework may have added to it before it came here. */
export interface MountedRequest extends IncomingMessage {
  /** The body, where a parser has read it already (Express, connect). */
  body?: unknown;
  /** The whole URL, where `url` has lost the part that the handler is mounted at (Express, connect). */
  originalUrl?: string;
}

/** What is known of whoever sent a request. */
export interface Caller extends Identity {
  /** From `x-request-id`, or made here; it is in the answer and in the log. */
  requestId: string;
  headers: IncomingHttpHeaders;
  /** The path below everything that the handler is mounted at, without the query string. */
  path: string;
  /** Where the bytes of the body are accounted for. */
  buffer: RequestBuffer;
  /** Accounts for what has no response of its own. */
  hold(): EndingBuffer;
  /** Memory for a large answer, from its size in bytes. */
  allocate(bytes: number): Buffer;
  /** Puts a header on the answer. */
  setHeader(name: string, value: string): void;
}

export type Handler = (
  request: IncomingMessage,
  response: ServerResponse,
  caller: Caller,
) => void | Promise<void>;

export interface Route {
  path: string;
  /** Further paths that it answers at; error messages do not list them. */
  aliases?: readonly string[];
  handle: Handler;
  /** Default: GET and HEAD. */
  methods?: readonly string[];
  /** Whether paths below it are its own, too. */
  below?: boolean;
  /** Whether the route requires a key where keys are set, and is kept from pages of other origins. */
  guarded: boolean;
  /** How clients of this route read errors. Default: the server's `errors`. */
  errors?: ErrorShape;
  /** A page that a browser may open without a key: it holds nothing, and what it asks for is guarded. */
  page?: { isRequested(request: IncomingMessage): boolean; handle: Handler };
}
