import type { IncomingHttpHeaders } from 'node:http';
import type { ExecutionResult } from 'graphql';
import type { GraphQLParams } from 'graphql-yoga';
import type { Identity } from '../../admission/keys.ts';
import { EmbedQLError } from '../../core/errors.ts';
import type { Buffers, EndingBuffer } from '../../http/memory.ts';
import type { OperationCaller, OperationRecord } from '../operation-log.ts';
import type { Door } from './door.ts';
import type { Outcome } from './engine.ts';
import { checkVariables } from './params.ts';
import { notPersisted } from './persisted-queries.ts';
import { failed, isStream, runOperation } from './run.ts';
import { wholeRequest } from './whole-request.ts';

/** Operations that may be under way on one connection. */
const maxOperations = 100;

/** Characters of a message that ends an operation. */
const longestEnd = 1_024;

interface Running {
  readonly record: OperationRecord;
  readonly buffer: EndingBuffer;
  readonly gone: AbortController;
}

/** The operations of one WebSocket, or of one stream for many: each is limited, logged and counted as one that came by a request of its own. */
export class SocketOperations {
  /** Who has opened the connection, once that is known. */
  identity: Identity = { role: 'client', key: 'anonymous' };
  readonly #door: Door;
  readonly #headers: IncomingHttpHeaders;
  readonly #requestId: string;
  readonly #buffers: Pick<Buffers, 'hold'>;
  readonly #onEnd: () => void;
  readonly #running = new Map<string, Running>();
  /** Those whose documents are still looked for. */
  readonly #beginning = new Set<string>();
  #clientGone = false;

  constructor(
    door: Door,
    headers: IncomingHttpHeaders,
    requestId: string,
    buffers: Pick<Buffers, 'hold'>,
    onEnd: () => void,
  ) {
    this.#door = door;
    this.#headers = headers;
    this.#requestId = requestId;
    this.#buffers = buffers;
    this.#onEnd = onEnd;
  }

  get size(): number {
    return this.#running.size;
  }

  has(id: string): boolean {
    return this.#running.has(id) || this.#beginning.has(id);
  }

  /** Runs an operation. @param id as the client calls it; `has` says that it is free. @returns what a client sees of it */
  async begin(id: string, sent: object): Promise<Outcome> {
    const { engine, services } = this.#door;
    const buffer = this.#buffers.hold();
    const { identity } = this;
    const caller: OperationCaller = {
      key: identity.key,
      requestId: this.#requestId,
      headers: this.#headers,
      // The answer has no head of its own.
      setHeader: () => {},
    };
    this.#beginning.add(id);
    const params = await this.#find(sent as GraphQLParams).finally(() => this.#beginning.delete(id));
    // Where the client has gone meanwhile, nobody reads what is answered.
    if (!params || this.#clientGone) return notPersisted;
    const record = services.operations.begin('graphql', caller);
    const finish = (result: ExecutionResult) => this.#door.finish(result, record);
    const refuse = (error: unknown) => {
      const outcome = finish(failed(error));
      record.end();
      return outcome;
    };
    if (params instanceof EmbedQLError) return refuse(params);
    if (this.#running.size >= maxOperations) return refuse(tooManyAtOnce);
    try {
      // Before anything goes over them.
      checkVariables(params.variables, engine.mostListed(params));
      buffer.take(sizeOf(params));
    } catch (error) {
      return refuse(error);
    }
    const gone = new AbortController();
    this.#running.set(id, { record, buffer, gone });
    const request = wholeRequest({ method: 'POST', headers: this.#headers }, gone.signal);
    const outcome = await runOperation(engine, params, request, { identity, record });
    return isStream(outcome) ? endable(outcome, finish) : finish(outcome);
  }

  /** The operation with its document; an error that is told, undefined where its document is not known. */
  async #find(sent: GraphQLParams): Promise<GraphQLParams | EmbedQLError | undefined> {
    try {
      return await this.#door.persisted.find(sent);
    } catch (error) {
      if (error instanceof EmbedQLError) return error;
      throw error;
    }
  }

  /** The operation has been answered. */
  end(id: string, cancelled = false): void {
    const running = this.#running.get(id);
    if (!running) return;
    this.#running.delete(id);
    if (cancelled) running.gone.abort();
    running.record.end(cancelled);
    running.buffer.end();
    this.#onEnd();
  }

  /** The client has gone. */
  endAll(): void {
    this.#clientGone = true;
    for (const id of [...this.#running.keys()]) this.end(id, true);
  }

  /** Ends an operation at once where a message says that nobody waits for it; graphql-ws tells that to streams alone. */
  noticeEnd(message: string): void {
    if (this.#running.size === 0 || message.length > longestEnd || !message.includes('"complete"')) return;
    try {
      const { id, type } = JSON.parse(message) as { id?: unknown; type?: unknown };
      if (type === 'complete' && typeof id === 'string') this.end(id, true);
    } catch {
      // Who reads the message says so.
    }
  }
}

/** About the bytes of an operation. The text of its message is gone by now. Variables may be nested deep. */
function sizeOf({ query, variables }: GraphQLParams): number {
  let bytes = typeof query === 'string' ? query.length : 0;
  const unread: unknown[] = [variables];
  while (unread.length > 0) {
    const value = unread.pop();
    bytes += typeof value === 'string' ? value.length : 8;
    if (typeof value !== 'object' || value === null) continue;
    for (const [name, inside] of Object.entries(value)) {
      bytes += name.length;
      unread.push(inside);
    }
  }
  return bytes;
}

const tooManyAtOnce = new EmbedQLError(
  'OVERLOADED',
  `This connection has ${maxOperations} operations under way; wait until one is done, or open another.`,
  { retryAfterMs: 1_000 },
);

/** A generator as graphql-ws knows it: one that it can end. */
function endable(
  events: AsyncIterable<ExecutionResult>,
  finish: (result: ExecutionResult) => ExecutionResult,
): AsyncIterableIterator<ExecutionResult> {
  const source = events[Symbol.asyncIterator]();
  let ended = false;
  const leave = async () => {
    ended = true;
    await source.return?.();
    return { done: true as const, value: undefined };
  };
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    async next() {
      if (ended) return { done: true, value: undefined };
      try {
        const next = await source.next();
        return next.done ? next : { done: false, value: finish(next.value) };
      } catch (error) {
        if (ended) return { done: true, value: undefined };
        await leave();
        return { done: false, value: finish(failed(error)) };
      }
    },
    return: leave,
    throw: leave,
  };
}
