import type { IncomingMessage, ServerResponse } from 'node:http';
import { type ExecutionResult, GraphQLError } from 'graphql';
import { type GraphQLParams, isAsyncIterable } from 'graphql-yoga';
import { EmbedQLError } from '../../core/errors.ts';
import type { Log } from '../../core/surroundings.ts';
import { BrokenOff, leaveUnread } from '../../http/body.ts';
import { clientGone, HttpError, sendBytes, sendError } from '../../http/respond.ts';
import type { Caller, Handler } from '../../http/route.ts';
import { writeAnswer } from '../../wire/writer.ts';
import type { Services } from '../services.ts';
import { type AnswerType, headOf, negotiate, toSentError } from './answer.ts';
import { createFinish, type Finish, graphqlErrors } from './coded-error.ts';
import { createEngine, type Engine, type EngineOptions, type GraphQLCaller } from './engine.ts';
import { checkVariables, readParams, readQueryString } from './params.ts';
import { wholeRequest } from './whole-request.ts';

export interface GraphQLHandlerOptions extends EngineOptions {
  /** Bytes of one request's body. */
  maxBodyBytes: number;
}

/**
 * GraphQL over HTTP. Whole answers are read and written here, without the detour over Fetch's Request and Response,
 * and so that the bytes that a slow reader has not taken can be accounted for; answers that come piece by piece are
 * Yoga's. The engine is the same.
 */
export function createGraphQLHandler(services: Services, options: GraphQLHandlerOptions, log: Log): Handler {
  const finish = createFinish(services.nameOption, log);
  const engine = createEngine(services, options, finish);
  const shape = graphqlErrors(services.nameOption);
  return async (request, response, caller) => {
    const accepted = negotiate(request.headers.accept);
    try {
      if (request.method === 'HEAD') return await answerByYoga(engine, services, request, response, caller);
      const isPost = request.method === 'POST';
      const params = isPost
        ? await readParams(request, options.maxBodyBytes, caller.buffer)
        : readQueryString(request.url);
      if (accepted === 'stream' || engine.isSubscription(params)) {
        checkVariables(params.variables, options.maxTexts);
        const read = isPost ? Object.assign(request, { body: params }) : request;
        return await answerByYoga(engine, services, read, response, caller);
      }
      if (accepted === undefined) return void response.writeHead(406, { accept: answerTypes }).end();
      const operation = { engine, services, finish, params, type: accepted, maxTexts: options.maxTexts };
      await answerWhole(operation, request, response, caller);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      leaveUnread(request, response);
      const type = accepted === 'application/graphql-response+json' ? accepted : 'application/json';
      sendError(response, error, { shape, type });
    }
  };
}

const answerTypes = 'application/json, application/graphql-response+json';

/** Piece by piece, or in a type that only Yoga writes. The operation is over when the response is. */
async function answerByYoga(
  { yoga }: Engine,
  { operations }: Services,
  request: IncomingMessage,
  response: ServerResponse,
  caller: Caller,
): Promise<void> {
  const record = operations.begin('graphql', caller);
  response.once('close', () => record.end(!response.writableFinished));
  await yoga(request, response, { ...caller, record });
}

interface WholeOperation {
  engine: Engine;
  services: Services;
  finish: Finish;
  params: GraphQLParams;
  type: AnswerType;
  maxTexts: number;
}

async function answerWhole(
  { engine, services, finish, params, type, maxTexts }: WholeOperation,
  request: IncomingMessage,
  response: ServerResponse,
  caller: Caller,
): Promise<void> {
  const record = services.operations.begin('graphql', caller);
  const gone = clientGone(response);
  const { head, body } = await writeAnswer(services.encoded, caller.allocate, async (vectors) => {
    const ran = await run(engine, params, maxTexts, wholeRequest(request, gone), {
      ...caller,
      record,
      vectors,
    });
    const result = finish(ran, record);
    record.end(gone.aborted);
    // Nobody is left to be answered.
    if (gone.aborted) throw new BrokenOff();
    record.tellFigures();
    const { data, errors } = result;
    return {
      value: { data, ...(errors ? { errors: errors.map(toSentError) } : {}) },
      head: headOf(result, type),
    };
  });
  sendBytes(response, head.status, `${type}; charset=utf-8`, body, head.headers);
}

async function run(
  { yoga }: Engine,
  params: GraphQLParams,
  maxTexts: number,
  request: Request,
  caller: GraphQLCaller,
): Promise<ExecutionResult> {
  try {
    checkVariables(params.variables, maxTexts);
    const result = await yoga.getResultForParams(
      { params, request },
      caller as Parameters<Engine['yoga']['getResultForParams']>[1],
    );
    if (result && !isAsyncIterable(result)) return result;
    return {
      errors: [new GraphQLError('This operation is answered piece by piece; accept text/event-stream.')],
    };
  } catch (error) {
    return {
      errors: [
        error instanceof GraphQLError ? error : new GraphQLError('thrown', { originalError: error as Error }),
      ],
    };
  }
}

/** Whether a request was refused before GraphQL saw it, or its answer was too large to be written; anything else that is thrown here is a fault. */
function isRefusal(error: unknown): error is EmbedQLError {
  if (error instanceof HttpError) return true;
  return (
    error instanceof EmbedQLError && (error.code === 'OVERLOADED' || error.code === 'COST_LIMIT_EXCEEDED')
  );
}
