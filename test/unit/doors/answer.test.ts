import { GraphQLError } from 'graphql';
import { describe, expect, test } from 'vitest';
import { headOf, negotiate } from '../../../src/doors/graphql/answer.ts';

describe('what an Accept header asks for', () => {
  const graphql = 'application/graphql-response+json';

  test.each([
    [undefined, 'application/json'],
    ['*/*', 'application/json'],
    ['application/json', 'application/json'],
    [graphql, graphql],
    [`${graphql}; charset=utf-8, application/json; q=0.9`, graphql],
    ['application/json, text/event-stream', 'application/json'],
    ['text/event-stream, application/json', 'stream'],
    ['multipart/mixed; boundary="-"', 'stream'],
    ['image/png, application/*', 'application/json'],
    ['APPLICATION/JSON ; CHARSET="UTF-8"', 'application/json'],
    ['application/json; charset=latin1', undefined],
    ['text/html', undefined],
    ['', undefined],
  ])('%s: %s', (accept, type) => {
    expect(negotiate(accept)).toBe(type);
  });
});

describe('the status of an answer', () => {
  const failed = (code: string, http?: object) =>
    new GraphQLError('', { extensions: { code, ...(http ? { http } : {}) } });

  test.each([
    ['data', { data: {} }, 200, 200],
    [
      'data and an error of a field',
      { data: { a: null }, errors: [failed('INTERNAL_SERVER_ERROR')] },
      200,
      200,
    ],
    [
      'a document that is not valid',
      { errors: [failed('BAD_USER_INPUT', { status: 400, spec: true })] },
      200,
      400,
    ],
    ['a request that is none', { errors: [failed('BAD_USER_INPUT', { status: 400 })] }, 400, 400],
    ['a fault of ours', { errors: [failed('INTERNAL_SERVER_ERROR')] }, 500, 500],
    [
      'the highest of several',
      { errors: [failed('BAD_USER_INPUT', { status: 400 }), failed('FORBIDDEN', { status: 403 })] },
      403,
      403,
    ],
  ])('%s', (_name, result, json, graphql) => {
    expect(headOf(result, 'application/json').status).toBe(json);
    expect(headOf(result, 'application/graphql-response+json').status).toBe(graphql);
  });
});
