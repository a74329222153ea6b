import type { IncomingMessage, ServerResponse } from 'node:http';
import { type ExecutionResult, GraphQLError } from 'graphql';
import { isAsyncIterable } from 'graphql-yoga';
import type { Config } from '../../config/config.ts';
import { EmbedQLError } from '../../core/errors.ts';
import type { Log } from '../../core/surroundings.ts';
import { BodyTooLarge } from '../../http/body.ts';
import { clientGone, errorBody, retryAfter, sendBytes } from '../../http/respond.ts';
import type { Handler } from '../../http/route.ts';
import type { Tracing } from '../../telemetry/tracing.ts';
import { type SplicedForms, splicedForms } from '../../wire/writer.ts';
import type { Services } from '../services.ts';
import { type AnswerType, headOf, type Negotiated, negotiate, toSentError } from './answer.ts';
import { codedError } from './coded-error.ts';
import { createEngine, type Engine, type GraphQLCaller } from './engine.ts';
import { readParams, readQueryString, WrongBody } from './params.ts';
import { codeErrors } from './plugins/use-coded-errors.ts';

/**
 * GraphQL over HTTP. What wants a whole answer is read and written here, without the detour over Fetch's Request and
 * Response, and so that what a slow reader leaves behind is known; answers that come piece by piece are Yoga's. The
 * engine is the same.
 */
export function createGraphQLHandler(
  services: Services,
  config: Pick<Config, 'introspection' | 'maxBodyBytes' | 'maxTexts'>,
  log: Log,
  tracing: Tracing,
): Handler {
  const engine = createEngine(services, config, log, tracing);
  return async (request, response, caller) => {
    const wanted = negotiate(request.headers.accept);
    try {
      if (request.method === 'HEAD') return await engine(request, response, caller);
      const isPost = request.method === 'POST';
      const params = isPost
        ? await readParams(request, config.maxBodyBytes, caller.buffer)
        : readQueryString(request.url);
      if (wanted === 'stream' || mayStream(params.query))
        return await engine(isPost ? Object.assign(request, { body: params }) : request, response, caller);
      if (wanted === undefined) return void response.writeHead(406, { accept: answerTypes }).end();
      const vectors = splicedForms(services.encoded);
      const result = codeErrors(await run(engine, params, request, response, { ...caller, vectors }), log);
      sendResult(response, result, wanted, { ...caller, vectors });
    } catch (error) {
      refuse(request, response, error, wanted);
    }
  };
}

const answerTypes = 'application/json, application/graphql-response+json';

/** Subscriptions are answered piece by piece, whatever is accepted. Guessing too often only takes the longer way. */
function mayStream(query: unknown): boolean {
  return typeof query === 'string' && query.includes('subscription');
}

async function run(
  engine: Engine,
  params: Parameters<Engine['getResultForParams']>[0]['params'],
  { method = 'POST', headers }: IncomingMessage,
  response: ServerResponse,
  caller: GraphQLCaller,
): Promise<ExecutionResult> {
  // All of a Request that Yoga's plugins look at.
  const request = {
    method,
    headers: { get: (name: string) => headers[name] ?? null },
    signal: clientGone(response),
  };
  try {
    const result = await engine.getResultForParams(
      { params, request: request as unknown as Request },
      caller as Parameters<Engine['getResultForParams']>[1],
    );
    if (result && !isAsyncIterable(result)) return result;
    throw new GraphQLError('This operation is answered piece by piece; accept text/event-stream.');
  } catch (error) {
    return { errors: [codedError(error)] };
  }
}

function sendResult(
  response: ServerResponse,
  result: ExecutionResult,
  type: AnswerType,
  { vectors, allocate }: { vectors: SplicedForms; allocate(bytes: number): Buffer },
): void {
  if (response.closed) return;
  const { status, headers } = headOf(result, type);
  const { data, errors } = result;
  const sent = { data, ...(errors ? { errors: errors.map(toSentError) } : {}) };
  const body = vectors.write(sent, allocate);
  sendBytes(response, status, `${type}; charset=utf-8`, body, headers);
}

/** Tells what is wrong with a request that GraphQL never saw. */
function refuse(
  request: IncomingMessage,
  response: ServerResponse,
  error: unknown,
  wanted: Negotiated,
): void {
  const { status, shown } = explain(error);
  // The rest of the body may be under way, and is not read.
  if (!request.complete) response.setHeader('connection', 'close');
  const type = wanted === 'application/graphql-response+json' ? wanted : 'application/json';
  sendBytes(response, status, `${type}; charset=utf-8`, errorBody(shown), retryAfter(shown));
}

function explain(error: unknown): { status: number; shown: EmbedQLError } {
  if (error instanceof WrongBody) return { status: error.status, shown: error };
  if (error instanceof BodyTooLarge) return { status: 413, shown: error };
  if (error instanceof EmbedQLError && error.code === 'BAD_USER_INPUT') return { status: 400, shown: error };
  if (error instanceof EmbedQLError && error.code === 'OVERLOADED') return { status: 503, shown: error };
  throw error;
}
