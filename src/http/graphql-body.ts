import type { IncomingMessage, ServerResponse } from 'node:http';
import { badUserInput, EmbedQLError, toEmbedQLError } from '../embedder/errors.ts';
import { BodyTooLarge, type RequestBuffer, readBody } from './buffers.ts';
import { errorBody, retryAfter, sendBytes } from './respond.ts';

/**
 * Reads the body of a POST. What is no GraphQL request is told here, and undefined comes back. Only JSON is taken: a
 * form or plain text is what a page of another origin can send without being asked.
 * @param limit in bytes
 */
export async function readGraphQLBody(
  request: IncomingMessage,
  response: ServerResponse,
  limit: number,
  buffer: RequestBuffer,
): Promise<object | undefined> {
  try {
    if (!/^\s*application\/(?:graphql\+)?json\s*(?:;|$)/i.test(request.headers['content-type'] ?? ''))
      throw new WrongBody(415, 'Send the operation as JSON, with "content-type: application/json".');
    return toParams(await readBody(request, limit, buffer));
  } catch (error) {
    const { status, shown } = explain(error);
    // The rest of the body may be under way, and is not read.
    if (!request.complete) response.setHeader('connection', 'close');
    const type = (request.headers.accept ?? '').includes('application/graphql-response+json')
      ? 'application/graphql-response+json'
      : 'application/json';
    sendBytes(response, status, `${type}; charset=utf-8`, errorBody(shown), retryAfter(shown));
    return undefined;
  }
}

class WrongBody extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

function toParams(body: Buffer): object {
  let params: unknown;
  try {
    params = JSON.parse(body.toString('utf8'));
  } catch {
    throw new WrongBody(400, 'The body is not JSON.');
  }
  if (typeof params !== 'object' || params === null || Array.isArray(params))
    throw new WrongBody(400, 'The body is no JSON object; send {"query": "…"}.');
  if (Object.keys(params).length === 0)
    throw new WrongBody(400, 'The body has no query; send {"query": "…"}.');
  return params;
}

function explain(error: unknown): { status: number; shown: EmbedQLError } {
  if (error instanceof WrongBody) return { status: error.status, shown: badUserInput(error.message) };
  if (error instanceof BodyTooLarge)
    return { status: 413, shown: badUserInput('The body is larger than EMBEDQL_MAX_BODY_BYTES.') };
  if (error instanceof EmbedQLError && error.code === 'OVERLOADED') return { status: 503, shown: error };
  return { status: 500, shown: toEmbedQLError(error) };
}
