import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { budgetHeader } from '../admission/budget-header.ts';
import { type Authenticate, type Identity, keyRefusal } from '../admission/keys.ts';
import { tagOf } from '../admission/tags.ts';
import {
  answerTooLarge,
  badUserInput,
  describeError,
  EmbedQLError,
  type NameOption,
  toEmbedQLError,
} from '../core/errors.ts';
import type { Log } from '../core/surroundings.ts';
import { BrokenOff } from './body.ts';
import { createCrossOriginCheck, setSafeHeaders } from './browsers.ts';
import { Buffers, type EndingBuffer, OutputBuffers, type RequestBuffer, tooMuchBuffered } from './memory.ts';
import { type Place, placeOf, withSlash } from './place.ts';
import { type ErrorShape, HttpError, sendError } from './respond.ts';
import type { Caller, MountedRequest, Route } from './route.ts';
import { limitSlowReader } from './slow-clients.ts';
import { requestIdOf } from './upgrade.ts';

/** Paths that are none of a server's, but where the clients of a door look for something. */
export interface Elsewhere {
  below: readonly string[];
  /** How they read errors. */
  errors: ErrorShape;
  message: string;
}

export interface DispatchOptions {
  routes: readonly Route[];
  /** How it is said that there is nothing; elsewhere it is said in the shape of `errors`. */
  elsewhere?: readonly Elsewhere[];
  /** What stands in front of every path, such as `/ai`; empty for nothing. */
  basePath: string;
  /** How errors are told where no route has a shape of its own. */
  errors: ErrorShape;
  authenticate: Authenticate;
  /** What is left to a key of its money, for a header; undefined: nothing is said. Default: for no key. */
  budgetLeft?: ((key: string) => string | undefined) | undefined;
  /** Of web pages that may use this server from a browser. */
  corsOrigins: readonly string[];
  /** Bytes that may be held for clients, of bodies and of answers. */
  maxBufferedBytes: number;
  /** Bytes that one answer may have. */
  maxAnswerBytes: number;
  /** Milliseconds in which an answer has to be taken. */
  transferTimeoutMs: number;
  log: Log;
  /** What operators call an option that a message advises to change. */
  nameOption: NameOption;
}

/** A request listener of Node that fits into a chain of others (Express, connect). */
export type RequestListener = (
  request: IncomingMessage,
  response: ServerResponse,
  /** Called, with nothing touched, where the path is none of ours. Without it: 404. */
  next?: (error?: unknown) => void,
) => void;

export interface Dispatch {
  /** What is held for clients. */
  readonly buffers: Buffers;
  /** Why no connection is taken at the moment; undefined where one is. */
  refusal(): EmbedQLError | undefined;
  /** Tells the log that a page of another origin was refused, and says what it is told. */
  refuseOrigin(origin: string | undefined): EmbedQLError;
  /** Answers a request from its first byte to its last, whoever listens for it. */
  readonly listener: RequestListener;
  /** How whoever sent a request reads errors, where there is one. */
  errorsFor(request: IncomingMessage | undefined): ErrorShape;
  /** Waits for what is in flight, for at most `ms`, then cuts off the rest. What comes after that is refused. */
  drain(ms: number): Promise<void>;
}

/** From a request to the route that answers it, past everything that may turn it away. Knows nothing of sockets. */
export function createDispatch(options: DispatchOptions): Dispatch {
  const { routes, basePath, authenticate, transferTimeoutMs, log } = options;
  const paths = routes.flatMap((route) =>
    [route.path, ...(route.aliases ?? [])].map((path) => ({ path, route })),
  );
  const byPath = new Map(paths.map(({ path, route }) => [path, route]));
  const checkOrigin = createCrossOriginCheck(options.corsOrigins);
  const buffers = new Buffers(options.maxBufferedBytes);
  const memory = { buffers, outputs: new OutputBuffers(), maxAnswerBytes: options.maxAnswerBytes };
  const inFlight = new Set<ServerResponse>();
  let closed = false;

  /** Pages see no reason in a browser, so the log has it: once for each origin. */
  const toldOrigins = new Set<string>();
  const refuseOrigin = (origin = 'unknown') => {
    if (!toldOrigins.has(origin) && toldOrigins.size < maxToldOrigins) {
      toldOrigins.add(origin);
      log.warn({ origin: origin.slice(0, 200) }, describeError(crossOrigin, options.nameOption));
    }
    return crossOrigin;
  };

  const routeOf = (path: string) =>
    byPath.get(path) ?? paths.find((one) => one.route.below && path.startsWith(`${one.path}/`))?.route;
  const elsewhereOf = (path: string) =>
    options.elsewhere?.find(({ below }) => below.some((one) => path === one || path.startsWith(`${one}/`)));

  const errorsAt = (place: Place | undefined, route: Route | undefined) =>
    route?.errors ?? (place && elsewhereOf(place.path)?.errors) ?? options.errors;

  const listener: RequestListener = (request, response, next) => {
    const place = placeOf(request, basePath);
    const route = place && routeOf(place.path || '/');
    if (!route && next) return next();
    // Gone while something in front of us was waiting.
    if (response.closed) return;
    inFlight.add(response);
    response.once('close', () => inFlight.delete(response));
    void answer(request, response, place, route);
  };

  async function answer(
    request: IncomingMessage,
    response: ServerResponse,
    place: Place | undefined,
    route: Route | undefined,
  ): Promise<void> {
    const buffer = buffers.forRequest(response);
    try {
      await decide(request, response, place, route, buffer);
    } catch (error) {
      if (error instanceof BrokenOff) return void response.destroy();
      log.error({ err: error, path: place?.path }, 'request failed');
      if (!response.headersSent)
        sendError(response, toEmbedQLError(error), { shape: errorsAt(place, route) });
      else response.destroy();
    }
    buffer.answered();
    limitSlowReader(response, transferTimeoutMs);
  }

  async function decide(
    request: MountedRequest,
    response: ServerResponse,
    place: Place | undefined,
    route: Route | undefined,
    buffer: RequestBuffer,
  ): Promise<void> {
    const requestId = requestIdOf(request);
    response.setHeader('x-request-id', requestId);
    setSafeHeaders(response);
    if (!place || !route) {
      // So that a page of an allowed origin can read what is said.
      if (checkOrigin(request, response) === 'answered') return;
      const elsewhere = place && elsewhereOf(place.path);
      const refusal = elsewhere
        ? nothingHere(elsewhere.message)
        : notFound(routes, place?.prefix ?? basePath);
      return sendError(response, refusal, { shape: errorsAt(place, route) });
    }
    const caller = (identity: Identity) =>
      new RequestCaller(identity, requestId, place.path, request, response, buffer, memory);
    const turnAway = (error: EmbedQLError) => sendError(response, error, { shape: errorsAt(place, route) });
    if (closed) return turnAway(shutDown);
    const { methods = ['GET', 'HEAD'] } = route;
    const isAllowed = methods.includes(request.method ?? '');
    const refuseMethod = () => {
      response.setHeader('allow', methods.join(', '));
      turnAway(new HttpError(405, badUserInput(`This path takes ${methods.join(', ')} only.`)));
    };
    if (place.path === '' && isAllowed)
      return void response.writeHead(308, { location: withSlash(place) }).end();
    if (!route.guarded) return isAllowed ? route.handle(request, response, caller(nobody)) : refuseMethod();
    if (route.page?.isRequested(request)) return route.page.handle(request, response, caller(nobody));

    const origin = checkOrigin(request, response);
    if (origin === 'answered') return;
    if (origin === 'refuse') return turnAway(refuseOrigin(request.headers.origin));
    if (request.method === 'OPTIONS') return refuseMethod();
    const identity = authenticate(request.headers.authorization);
    if (!identity) {
      response.setHeader('www-authenticate', 'Bearer realm="embedql"');
      return turnAway(keyRefusal(request.headers.authorization));
    }
    if (!isAllowed) return refuseMethod();
    if (buffers.full) return turnAway(tooMuchBuffered);
    const budget = options.budgetLeft?.(identity.key);
    if (budget !== undefined) response.setHeader(budgetHeader, budget);
    await route.handle(request, response, caller(identity));
  }

  return {
    listener,
    buffers,
    refuseOrigin,
    refusal: () => (closed ? shutDown : buffers.full ? tooMuchBuffered : undefined),
    errorsFor(request) {
      const place = request && placeOf(request, basePath);
      return errorsAt(place, place && routeOf(place.path || '/'));
    },
    async drain(ms) {
      const timeIsUp = sleep(ms, undefined, { ref: false });
      await Promise.race([closedAll(inFlight), timeIsUp]);
      closed = true;
      // Those who came meanwhile.
      await Promise.race([closedAll(inFlight), timeIsUp]);
      for (const response of inFlight) response.destroy();
    },
  };
}

/** The memory that answers are written into. */
interface AnswerMemory {
  readonly buffers: Buffers;
  readonly outputs: OutputBuffers;
  readonly maxAnswerBytes: number;
}

/** A class and not a literal: there is one for each request, and its methods are made once. */
class RequestCaller implements Caller {
  readonly role: Identity['role'];
  readonly key: string;
  readonly seesAll: boolean;
  readonly tag: string | undefined;
  readonly requestId: string;
  readonly headers: IncomingHttpHeaders;
  readonly path: string;
  readonly buffer: RequestBuffer;
  readonly #response: ServerResponse;
  readonly #memory: AnswerMemory;

  constructor(
    { role, key, seesAll = false }: Identity,
    requestId: string,
    path: string,
    { headers }: IncomingMessage,
    response: ServerResponse,
    buffer: RequestBuffer,
    memory: AnswerMemory,
  ) {
    this.role = role;
    this.key = key;
    this.seesAll = seesAll;
    this.tag = tagOf(headers);
    this.requestId = requestId;
    this.headers = headers;
    this.path = path;
    this.buffer = buffer;
    this.#response = response;
    this.#memory = memory;
  }

  hold(): EndingBuffer {
    return this.#memory.buffers.hold();
  }

  allocate(bytes: number): Buffer {
    const { maxAnswerBytes, outputs } = this.#memory;
    if (bytes > maxAnswerBytes) throw answerTooLarge(maxAnswerBytes);
    this.buffer.answer(bytes);
    return outputs.for(this.#response, bytes);
  }

  setHeader(name: string, value: string): void {
    this.#response.setHeader(name, value);
  }
}

function closedAll(responses: Iterable<ServerResponse>): Promise<unknown> {
  return Promise.all(
    [...responses].map((response) => new Promise((resolve) => response.once('close', resolve))),
  );
}

const nobody: Identity = { role: 'client', key: 'anonymous' };

/** Origins that the log names. Anybody can make up more. */
const maxToldOrigins = 100;

const crossOrigin = new EmbedQLError(
  'FORBIDDEN',
  'Pages of another origin cannot use this server; add the origin to corsOrigins.',
  { hint: 'corsOrigins' },
);

const shutDown = new EmbedQLError('OVERLOADED', 'This server has shut down; use another one.', {
  retryAfterMs: 1_000,
});

function notFound(routes: readonly Route[], prefix: string): HttpError {
  const paths = routes.filter(({ path }) => !path.includes('.')).map(({ path }) => prefix + path);
  return nothingHere(`This path does not exist; use one of ${paths.join(', ')}.`);
}

function nothingHere(message: string): HttpError {
  return new HttpError(404, badUserInput(message));
}
