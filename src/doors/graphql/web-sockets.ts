import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { GraphQLSchema, parse } from 'graphql';
import { CloseCode, handleProtocols, makeServer } from 'graphql-ws';
import { type RawData, type WebSocket, WebSocketServer } from 'ws';
import type { Authenticate } from '../../admission/keys.ts';
import { readTag, tagHeader, tagOf } from '../../admission/tags.ts';
import type { Log } from '../../core/surroundings.ts';
import { ownTurn } from '../../core/turns.ts';
import { hasTooMuchInside, smallBody } from '../../http/body.ts';
import type { Buffers, EndingBuffer } from '../../http/memory.ts';
import { requestIdOf } from '../../http/upgrade.ts';
import { toSentError, toSentResult } from './answer.ts';
import type { Door } from './door.ts';
import type { Outcome } from './engine.ts';
import { SocketOperations } from './socket-operations.ts';

export interface WebSocketOptions {
  door: Door;
  authenticate: Authenticate;
  /** Where messages and answers are accounted for. */
  buffers: Buffers;
  log: Log;
  /** Told how many connections are open, whenever that changes. */
  onCount(open: number): void;
}

/** GraphQL over WebSocket (`graphql-transport-ws`): queries, mutations and subscriptions, many on one connection. */
export interface WebSockets {
  accept(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** Closes each connection (1001) once its operations are over, and after `ms` in any case. */
  drain(ms: number): Promise<void>;
}

/** Milliseconds in which a client has to say who it is. */
const initialisationMs = 10_000;
/** Milliseconds between two pings. A client that answers none by the next is gone. */
const pingMs = 25_000;
/** Bytes that a client has not taken, past which nothing more is read from it. */
const unreadBytes = 1_000_000;

/** What WebSockets call a server that is too busy. */
const tryAgainLater = 1013;

/** What a connection is known by in the hooks of graphql-ws. */
interface Extra {
  readonly socket: WebSocket;
  readonly request: IncomingMessage;
  readonly operations: SocketOperations;
}

export function createWebSockets({
  door,
  authenticate,
  buffers,
  log,
  onCount,
}: WebSocketOptions): WebSockets {
  const { maxBodyBytes, transferTimeoutMs } = door.options;
  const webSockets = new WebSocketServer({
    noServer: true,
    maxPayload: maxBodyBytes,
    // It holds a buffer for each connection, and vectors in base64 hardly get smaller.
    perMessageDeflate: false,
    // One message a turn of the event loop: hundreds that arrive together must not keep others waiting.
    allowSynchronousEvents: false,
    handleProtocols,
  });
  let draining = false;
  const connections = new Map<WebSocket, SocketOperations>();

  const server = makeServer<Record<string, unknown>, Extra>({
    connectionInitWaitTimeout: initialisationMs,
    onConnect: ({ connectionParams, extra: { socket, request, operations } }) => {
      const identity = authenticate(keyIn(connectionParams) ?? request.headers.authorization);
      if (identity) {
        const tag = readTag(paramOf(connectionParams, tagHeader)) ?? tagOf(request.headers);
        operations.identity = { ...identity, tag };
      } else
        socket.close(
          CloseCode.Forbidden,
          'An API key is required: put it into connectionParams.authorization',
        );
      return identity !== undefined;
    },
    onSubscribe: async ({ extra: { operations } }, id, payload) => {
      const outcome = await operations.begin(id, payload);
      // A result without data is an error of the operation as a whole.
      return 'errors' in outcome && outcome.errors && !('data' in outcome)
        ? outcome.errors
        : { ...anyOperation, rootValue: outcome };
    },
    execute: ({ rootValue }) => rootValue as Outcome as never,
    onNext: (_context, _id, _payload, _args, result) => toSentResult(result),
    onError: ({ extra: { operations } }, id, _payload, errors) => {
      operations.end(id);
      return errors.map((error) => toSentError(error as Parameters<typeof toSentError>[0])) as never;
    },
    onComplete: ({ extra: { operations } }, id) => operations.end(id),
  });

  function serve(socket: WebSocket, request: IncomingMessage): void {
    const goAway = () => socket.close(1001, 'This server has been shut down; ask another one');
    const operations = new SocketOperations(door, request.headers, requestIdOf(request), buffers, () => {
      if (draining && operations.size === 0) goAway();
    });
    connections.set(socket, operations);
    onCount(connections.size);
    // A message that is too large, or no WebSocket's: ws says so to the client, and closes.
    socket.on('error', () => {});
    const stopPinging = keepAlive(socket);
    const closed = server.opened(
      {
        protocol: socket.protocol,
        send: (text) => send(socket, text, buffers.hold(), transferTimeoutMs),
        close: (code, reason) => socket.close(code, reason),
        onMessage: (read) =>
          socket.on(
            'message',
            inTurns(socket, maxBodyBytes, (text) => {
              // Who does not close in turn may go on sending; nothing of that is run.
              if (socket.readyState !== socket.OPEN) return;
              operations.noticeEnd(text);
              read(text).catch((error: unknown) => {
                log.error({ err: error }, 'internal error');
                socket.close(CloseCode.InternalServerError, 'Internal server error');
              });
            }),
          ),
      },
      { socket, request, operations },
    );
    socket.once('close', (code, reason) => {
      stopPinging();
      connections.delete(socket);
      onCount(connections.size);
      operations.endAll();
      void Promise.resolve(closed(code, String(reason))).catch(() => {});
    });
    if (draining) goAway();
  }

  return {
    accept: (request, socket, head) =>
      webSockets.handleUpgrade(request, socket, head, (opened) => serve(opened, request)),
    async drain(ms) {
      draining = true;
      const timeIsUp = sleep(ms, false, { ref: false });
      const closed = [...connections].map(([socket, operations]) => {
        if (operations.size === 0) socket.close(1001, 'This server has been shut down; ask another one');
        return new Promise((resolve) => socket.once('close', resolve));
      });
      await Promise.race([Promise.all(closed), timeIsUp]);
      for (const socket of connections.keys()) socket.terminate();
    },
  };
}

/**
 * Hands on messages in their order. A large one is looked at, and parsed by whoever takes it, each in a turn of its own; what
 * has too much in it closes the connection before it is parsed.
 */
function inTurns(socket: WebSocket, maxBytes: number, take: (text: string) => void): (data: RawData) => void {
  /** The large message that is under way, and those behind it. */
  let last: Promise<void> | undefined;
  const takeLarge = async (data: Buffer) => {
    if (data.length > smallBody) {
      await ownTurn();
      if (hasTooMuchInside(data, maxBytes))
        return socket.close(
          CloseCode.BadRequest,
          'The message has too many lists, objects or members; split it',
        );
      await ownTurn();
    }
    take(data.toString());
  };
  return (raw) => {
    const data = raw as Buffer;
    if (!last && data.length <= smallBody) return take(data.toString());
    // Nothing more is read meanwhile.
    socket.pause();
    const mine = (last ?? Promise.resolve())
      .then(() => takeLarge(data))
      .catch(() => socket.terminate())
      .finally(() => {
        if (last !== mine) return;
        last = undefined;
        if (socket.bufferedAmount < unreadBytes) socket.resume();
      });
    last = mine;
  };
}

/** What graphql-ws looks at before it asks for the result, which is there already. */
const anyOperation = { schema: new GraphQLSchema({}), document: parse('{ __typename }') };

/** The key as clients send it: as a header would say it, or alone. */
function keyIn(params: Readonly<Record<string, unknown>> | undefined): string | undefined {
  const key = paramOf(params, 'authorization')?.trim();
  return key === undefined || /\s/.test(key) ? key : `Bearer ${key}`;
}

/** What clients send in place of a header, as browsers can send none: among the parameters, or in their `headers`. */
function paramOf(params: Readonly<Record<string, unknown>> = {}, header: string): string | undefined {
  const headers = params['headers'];
  const places = [params, typeof headers === 'object' && headers !== null ? headers : {}];
  for (const place of places)
    for (const [name, value] of Object.entries(place))
      if (name.toLowerCase() === header && typeof value === 'string') return value;
  return undefined;
}

/** Resolves when the client has taken the message; one who does not in time is cut off, and one who is slow not read. */
function send(
  socket: WebSocket,
  text: string,
  buffer: EndingBuffer,
  transferTimeoutMs: number,
): Promise<void> {
  if (socket.readyState !== socket.OPEN) return Promise.resolve();
  try {
    buffer.take(text.length);
  } catch {
    socket.close(tryAgainLater, 'The server holds as many bytes as it may for clients');
    return Promise.resolve();
  }
  return new Promise((resolve) => {
    const timer = setTimeout(() => socket.terminate(), transferTimeoutMs);
    socket.send(text, () => {
      clearTimeout(timer);
      buffer.end();
      if (socket.isPaused && socket.bufferedAmount < unreadBytes) socket.resume();
      resolve();
    });
    if (socket.bufferedAmount >= unreadBytes) socket.pause();
  });
}

/** @returns stops it */
function keepAlive(socket: WebSocket): () => void {
  let answered = true;
  socket.on('pong', () => {
    answered = true;
  });
  const timer = setInterval(() => {
    // One that is not read from cannot answer; whether it takes what is sent is looked at elsewhere.
    if (socket.isPaused) return;
    if (!answered) return socket.terminate();
    answered = false;
    socket.ping();
  }, pingMs);
  return () => clearInterval(timer);
}
