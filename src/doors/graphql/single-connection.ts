import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { GraphQLParams } from 'graphql-yoga';
import { badUserInput, EmbedQLError } from '../../core/errors.ts';
import { HttpError } from '../../http/respond.ts';
import type { Caller } from '../../http/route.ts';
import { writeInTime } from '../../http/slow-clients.ts';
import { toSentResult } from './answer.ts';
import type { Door } from './door.ts';
import type { Outcome } from './engine.ts';
import { isStream } from './run.ts';
import { SocketOperations } from './socket-operations.ts';
import { heartbeatMs, streamHeaders } from './streamed-answer.ts';

/** Milliseconds in which a reserved stream has to be opened. */
const reservedMs = 30_000;
/** Streams that may be reserved at the same time, open or not. */
const maxStreams = 10_000;
/** Of one key. */
const maxStreamsOfKey = 1_000;

interface Stream {
  /** The name of the key that reserved it; it is nobody else's. */
  readonly key: string;
  readonly operations: SocketOperations;
  readonly reserved: NodeJS.Timeout;
  /** Once it is open. */
  response?: ServerResponse;
}

/**
 * GraphQL over server-sent events, single connection mode: a client reserves a stream (PUT), opens it (GET), and gets the
 * results of all its operations there (POST, each with `extensions.operationId`), until it ends them (DELETE). Streams live in
 * this process, so replicas need sticky sessions for it.
 */
export class SingleConnections {
  readonly #door: Door;
  readonly #streams = new Map<string, Stream>();
  /** How many each key has. */
  readonly #ofKey = new Map<string, number>();

  constructor(door: Door) {
    this.#door = door;
    door.services.stopping?.addEventListener('abort', () => {
      for (const stream of this.#streams.values()) this.#endIfIdle(stream);
    });
  }

  /** The token of a request that belongs to such a stream. */
  tokenOf({ headers, url = '' }: IncomingMessage): string | undefined {
    const given = headers['x-graphql-event-stream-token'];
    if (typeof given === 'string') return given;
    if (!url.includes('token=')) return undefined;
    return new URLSearchParams(url.slice(url.indexOf('?') + 1)).get('token') ?? undefined;
  }

  /** Reserves a stream. @throws EmbedQLError OVERLOADED */
  reserve(response: ServerResponse, caller: Caller): void {
    const ofKey = this.#ofKey.get(caller.key) ?? 0;
    if (this.#streams.size >= maxStreams || ofKey >= maxStreamsOfKey) throw tooManyStreams;
    this.#ofKey.set(caller.key, ofKey + 1);
    const token = randomUUID();
    const operations = new SocketOperations(this.#door, caller.headers, caller.requestId, caller, () =>
      this.#endIfIdle(stream),
    );
    const { role, key, seesAll, tag } = caller;
    operations.identity = { role, key, seesAll: seesAll ?? false, tag };
    const reserved = setTimeout(() => this.#drop(token), reservedMs).unref();
    const stream: Stream = { key: caller.key, operations, reserved };
    this.#streams.set(token, stream);
    response.writeHead(201, { 'content-type': 'text/plain; charset=utf-8' }).end(token);
  }

  /** Opens a reserved stream. @throws HttpError 404, 409 */
  open(token: string, response: ServerResponse, caller: Caller): void {
    const stream = this.#find(token, caller);
    if (stream.response) throw new HttpError(409, badUserInput('This stream is open already.'));
    clearTimeout(stream.reserved);
    stream.response = response;
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', ...streamHeaders });
    response.write(':\n\n');
    const beat = setInterval(() => {
      if (!response.writableNeedDrain) response.write(':\n\n');
    }, heartbeatMs);
    response.once('close', () => {
      clearInterval(beat);
      this.#drop(token);
    });
    if (this.#door.services.stopping.aborted) this.#endIfIdle(stream);
  }

  /** Begins an operation, whose results come in the stream. @throws HttpError 400, 404, 409 */
  begin(token: string, params: GraphQLParams, response: ServerResponse, caller: Caller): void {
    const stream = this.#find(token, caller);
    const { response: events } = stream;
    // Results of a stream that nobody reads would lie here until it is given up.
    if (!events)
      throw new HttpError(409, badUserInput('This stream is not open yet; open it with GET first.'));
    const id = params.extensions?.['operationId'];
    if (typeof id !== 'string' || id === '')
      throw new HttpError(
        400,
        badUserInput('extensions.operationId is missing; give each operation its own.'),
      );
    if (stream.operations.has(id))
      throw new HttpError(409, badUserInput('An operation with this operationId is under way.'));
    this.#run(stream.operations, events, id, { params, caller }).catch(() => events.destroy());
    response.writeHead(202).end();
  }

  /** Ends an operation. @throws HttpError 400, 404 */
  end(token: string, url: string, response: ServerResponse, caller: Caller): void {
    const stream = this.#find(token, caller);
    const id = new URLSearchParams(url.slice(url.indexOf('?') + 1)).get('operationId');
    if (!id) throw new HttpError(400, badUserInput('The parameter operationId is missing.'));
    stream.operations.end(id, true);
    response.writeHead(200).end();
  }

  async #run(
    operations: SocketOperations,
    events: ServerResponse,
    id: string,
    { params, caller }: { params: GraphQLParams; caller: Caller },
  ): Promise<void> {
    const outcome = await operations.begin(id, params);
    const write = async (event: string, data: object) => {
      const text = `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
      const held = caller.hold();
      try {
        held.take(text.length);
        await writeInTime(events, text, this.#door.options.transferTimeoutMs);
      } finally {
        held.end();
      }
    };
    for await (const result of each(outcome)) {
      // Whoever ended it waits for nothing more.
      if (events.closed || (isStream(outcome) && !operations.has(id))) break;
      await write('next', { id, payload: toSentResult(result) });
    }
    await write('complete', { id });
    operations.end(id);
  }

  #find(token: string, { key }: Caller): Stream {
    const stream = this.#streams.get(token);
    if (stream?.key === key) return stream;
    throw new HttpError(404, badUserInput('There is no such stream; reserve one with PUT.'));
  }

  #drop(token: string): void {
    const stream = this.#streams.get(token);
    if (!stream) return;
    this.#streams.delete(token);
    const left = (this.#ofKey.get(stream.key) ?? 1) - 1;
    if (left > 0) this.#ofKey.set(stream.key, left);
    else this.#ofKey.delete(stream.key);
    stream.operations.endAll();
  }

  #endIfIdle({ operations, response }: Stream): void {
    if (this.#door.services.stopping.aborted && operations.size === 0) response?.end();
  }
}

const tooManyStreams = new EmbedQLError(
  'OVERLOADED',
  'Too many streams are open; try again in a moment, or open one for each operation.',
  { retryAfterMs: 1_000 },
);

async function* each(outcome: Outcome) {
  if (isStream(outcome)) yield* outcome;
  else yield outcome;
}
