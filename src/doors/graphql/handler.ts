import type { IncomingMessage, ServerResponse } from 'node:http';
import type { GraphQLParams } from 'graphql-yoga';
import { OperationList } from '../../admission/operation-list.ts';
import { badUserInput, EmbedQLError } from '../../core/errors.ts';
import { ownTurn } from '../../core/turns.ts';
import { BrokenOff, leaveUnread } from '../../http/body.ts';
import { sendPacked } from '../../http/packing.ts';
import { clientGone, HttpError, sendBytes, sendError } from '../../http/respond.ts';
import type { Caller, Handler } from '../../http/route.ts';
import { writeAnswer } from '../../wire/writer.ts';
import { figuresHeader } from '../operation-log.ts';
import { type AnswerType, headOf, negotiate, type StreamType, toSentResult } from './answer.ts';
import type { Door } from './door.ts';
import { readParams, readQueryString } from './params.ts';
import { notPersisted, type PersistedQueries } from './persisted-queries.ts';
import { failed, runOperation, runWhole } from './run.ts';
import { SingleConnections } from './single-connection.ts';
import { writeStream } from './streamed-answer.ts';
import { wholeRequest } from './whole-request.ts';

/** One request, and whoever sent it. */
interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly caller: Caller;
}

/**
 * GraphQL over HTTP. Requests are read and answers written here, without the detour over Fetch's Request and Response, and
 * so that the bytes that a slow reader has not taken can be accounted for. The engine is Yoga's.
 */
export function createGraphQLHandler(door: Door): Handler {
  const { engine, options, persisted, shape } = door;
  const single = new SingleConnections(door);
  return async (request, response, caller) => {
    const accepted = negotiate(request.headers.accept);
    try {
      const token = single.tokenOf(request);
      if (request.method === 'PUT') return single.reserve(response, caller);
      if (request.method === 'DELETE') return single.end(token ?? '', request.url ?? '', response, caller);
      if (token !== undefined && request.method === 'GET' && accepted.stream)
        return single.open(token, response, caller);
      const sent =
        request.method === 'POST'
          ? await readParams(request, options, caller.buffer)
          : readQueryString(request.url);
      if (token !== undefined && !Array.isArray(sent)) return single.begin(token, sent, response, caller);
      const exchange = { request, response, caller };
      if (Array.isArray(sent)) {
        if (!accepted.whole) throw notAcceptable('A list of operations', wholeTypes);
        return await answerList(door, sent, accepted.whole, exchange);
      }
      const found = persisted.find(sent);
      const params = found instanceof Promise ? await found : found;
      const reading = params && engine.readAhead(params);
      if (reading) await reading;
      const isSubscription = params !== undefined && engine.isSubscription(params);
      const { whole, stream } = accepted;
      if (stream && (isSubscription || accepted.streamFirst || !whole))
        return await answerStream(door, params, stream, exchange);
      if (isSubscription) throw notAcceptable('A subscription', streamTypes);
      if (!whole) throw notAcceptable('An operation', `${wholeTypes} or ${streamTypes}`);
      await answerWhole(door, params, whole, exchange);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      leaveUnread(request, response);
      const type = accepted.whole ?? 'application/json';
      sendError(response, error, { shape, type });
    }
  };
}

const wholeTypes = 'application/json or application/graphql-response+json';
const streamTypes = 'text/event-stream or multipart/mixed';

function notAcceptable(what: string, types: string): HttpError {
  return new HttpError(406, badUserInput(`${what} is answered as ${types}; say one of them in "accept".`));
}

/** Piece by piece. The operation is over when the response is. */
async function answerStream(
  { engine, services, options, finish }: Door,
  params: GraphQLParams | undefined,
  type: StreamType,
  { request, response, caller }: Exchange,
): Promise<void> {
  const { transferTimeoutMs } = options;
  if (!params)
    return writeStream(notPersisted, response, caller, {
      type,
      finish: (result) => result,
      transferTimeoutMs,
    });
  const record = services.operations.begin('graphql', caller);
  response.once('close', () => record.end(!response.writableFinished));
  const gone = clientGone(response);
  const outcome = await runOperation(engine, params, wholeRequest(request, gone), {
    identity: caller,
    record,
  });
  await writeStream(outcome, response, caller, {
    type,
    finish: (result) => finish(result, record),
    transferTimeoutMs,
  });
}

async function answerWhole(
  { engine, services, finish }: Door,
  params: GraphQLParams | undefined,
  type: AnswerType,
  { request, response, caller }: Exchange,
): Promise<void> {
  if (!params)
    return sendBytes(response, 200, `${type}; charset=utf-8`, JSON.stringify(toSentResult(notPersisted)), {
      'cache-control': 'no-store',
    });
  const record = services.operations.begin('graphql', caller);
  const gone = clientGone(response);
  const { head, body, base64Bytes } = await writeAnswer(
    services.encoded,
    (bytes) => caller.allocate(bytes),
    async (vectors) => {
      const ran = await runWhole(engine, params, wholeRequest(request, gone), {
        identity: caller,
        record,
        vectors,
      });
      const result = finish(ran, record);
      record.end(gone.aborted);
      // Nobody is left to be answered.
      if (gone.aborted) throw new BrokenOff();
      record.tellFigures();
      return { value: toSentResult(result), head: headOf(result, type) };
    },
  );
  const { status, headers } = head;
  await sendPacked(request, response, { status, type: `${type}; charset=utf-8`, body, headers, base64Bytes });
}

/** Characters of the documents of a list up to which all are read in one turn of the event loop. */
const fewCharacters = 16_384;

/** Operations of one request, side by side: their texts travel together, and each has its own result and line in the log. */
async function answerList(
  { engine, services, finish, persisted }: Door,
  sent: readonly GraphQLParams[],
  type: AnswerType,
  { request, response, caller }: Exchange,
): Promise<void> {
  const gone = clientGone(response);
  const together = wholeRequest(request, gone);
  const shared = services.admission.begin({ key: caller.key, tag: caller.tag, signal: gone });
  const list = new OperationList(shared, sent.length);
  const answerUse = { bytes: 0, values: 0 };
  const isLarge = sent.reduce((sum, { query }) => sum + (query?.length ?? 0), 0) > fewCharacters;
  const { body, base64Bytes } = await writeAnswer(
    services.encoded,
    (bytes) => caller.allocate(bytes),
    async (vectors) => {
      const answered = await Promise.all(
        sent.map(async (one) => {
          const seat = list.seat();
          if (isLarge) await ownTurn();
          const found = await find(persisted, one);
          if (!found) {
            seat.leave();
            return { value: toSentResult(notPersisted) };
          }
          const record = services.operations.begin('graphql', caller);
          const ran =
            'refusal' in found
              ? failed(found.refusal)
              : await runWhole(engine, found, together, {
                  identity: caller,
                  record,
                  vectors,
                  seat,
                  answerUse,
                });
          seat.leave();
          const result = finish(ran, record);
          record.end(gone.aborted);
          return { value: toSentResult(result), record };
        }),
      );
      if (gone.aborted) throw new BrokenOff();
      const figures = figuresHeader(answered.flatMap(({ record }) => record ?? []));
      if (figures) caller.setHeader(...figures);
      answered[0]?.record?.tellBudget();
      return { value: answered.map(({ value }) => value), head: undefined };
    },
  );
  await sendPacked(request, response, { status: 200, type: `${type}; charset=utf-8`, body, base64Bytes });
}

/** One of a list with its document; what is wrong with its hash is wrong with it alone. */
async function find(
  persisted: PersistedQueries,
  params: GraphQLParams,
): Promise<GraphQLParams | { refusal: EmbedQLError } | undefined> {
  try {
    return await persisted.find(params);
  } catch (error) {
    if (error instanceof EmbedQLError) return { refusal: error };
    throw error;
  }
}

/** Whether a request was refused before GraphQL saw it, or its answer was too large to be written; anything else that is thrown here is a fault. */
function isRefusal(error: unknown): error is EmbedQLError {
  if (error instanceof HttpError) return true;
  return (
    error instanceof EmbedQLError &&
    (error.code === 'OVERLOADED' || error.code === 'COST_LIMIT_EXCEEDED' || error.code === 'BAD_USER_INPUT')
  );
}
