import type { IncomingMessage } from 'node:http';
import type { GraphQLParams } from 'graphql-yoga';
import { badUserInput, EmbedQLError, tooManyTexts } from '../../core/errors.ts';
import { readJson } from '../../http/body.ts';
import type { RequestBuffer } from '../../http/memory.ts';
import { HttpError } from '../../http/respond.ts';

/** What a body may be. */
export interface BodyLimits {
  /** In bytes, unpacked. */
  maxBodyBytes: number;
  /** Operations in a list; 1: none are taken in a list. */
  operationBatch: number;
}

/**
 * Reads the body of a POST: an operation, or a list of them. Only JSON is taken: a form or plain text is what a page of
 * another origin can send without being asked.
 * @throws HttpError 400, 413 or 415, EmbedQLError OVERLOADED
 */
export async function readParams(
  request: IncomingMessage,
  { maxBodyBytes, operationBatch }: BodyLimits,
  buffer: RequestBuffer,
): Promise<GraphQLParams | GraphQLParams[]> {
  if (!/^\s*application\/(?:graphql\+)?json\s*(?:;|$)/i.test(request.headers['content-type'] ?? ''))
    throw wrong(415, 'Send the operation as JSON, with "content-type: application/json".');
  const params = await readJson(request, maxBodyBytes, buffer);
  if (isOperation(params)) return params;
  if (!Array.isArray(params))
    throw wrong(400, 'The body is not an operation; send a JSON object such as {"query": "{ __typename }"}.');
  if (operationBatch === 1)
    throw tooManyOperations(
      'This server does not accept lists of operations; send one operation with aliases, or raise operationBatch.',
    );
  if (params.length > operationBatch)
    throw tooManyOperations(
      `The list has ${params.length} operations; ${operationBatch} are allowed. Split it, or raise operationBatch.`,
    );
  if (params.length === 0) throw wrong(400, 'The list is empty; send at least one operation.');
  const wrongOne = params.findIndex((one) => !isOperation(one));
  if (wrongOne >= 0)
    throw wrong(
      400,
      `Entry ${wrongOne} of the list is not an operation; send {"query": "{ __typename }"} there.`,
    );
  return params;
}

function isOperation(params: unknown): params is GraphQLParams {
  return (
    typeof params === 'object' && params !== null && !Array.isArray(params) && Object.keys(params).length > 0
  );
}

function tooManyOperations(message: string): HttpError {
  return new HttpError(400, new EmbedQLError('BAD_USER_INPUT', message, { hint: 'operationBatch' }));
}

/** Reads the operation out of a query string. @throws HttpError 400 where what should be JSON is not */
export function readQueryString(url = ''): GraphQLParams {
  const given = new URLSearchParams(url.includes('?') ? url.slice(url.indexOf('?') + 1) : '');
  const json = (name: string) => {
    const text = given.get(name);
    return text
      ? (parseJson(text, `The parameter ${name} is not JSON.`) as Record<string, unknown>)
      : undefined;
  };
  const [query, operationName] = [given.get('query'), given.get('operationName')];
  const [variables, extensions] = [json('variables'), json('extensions')];
  return {
    ...(query === null ? {} : { query }),
    ...(operationName === null ? {} : { operationName }),
    ...(variables === undefined ? {} : { variables }),
    ...(extensions === undefined ? {} : { extensions }),
  };
}

/**
 * Looks at the size of variables before anything reads them: a list of millions takes seconds to coerce.
 * @throws EmbedQLError COST_LIMIT_EXCEEDED
 */
export function checkVariables(variables: unknown, maxTexts: number): void {
  let left = 4_096 + 16 * maxTexts;
  const unread: unknown[] = [variables];
  while (unread.length > 0) {
    const value = unread.pop();
    if (typeof value !== 'object' || value === null) continue;
    if (Array.isArray(value) && value.length > maxTexts) throw tooManyTexts(value.length, maxTexts);
    const inside: unknown[] = Array.isArray(value) ? value : Object.values(value);
    left -= inside.length;
    if (left < 0)
      throw new EmbedQLError(
        'COST_LIMIT_EXCEEDED',
        'The variables have too many values; split the operation.',
      );
    for (const one of inside) if (typeof one === 'object') unread.push(one);
  }
}

function parseJson(text: string, otherwise: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw wrong(400, otherwise);
  }
}

function wrong(status: number, message: string): HttpError {
  return new HttpError(status, badUserInput(message));
}
