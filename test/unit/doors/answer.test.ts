import { GraphQLError } from 'graphql';
import { describe, expect, test } from 'vitest';
import { headOf, negotiate } from '../../../src/doors/graphql/answer.ts';

describe('what an Accept header asks for', () => {
  const json = 'application/json';
  const graphql = 'application/graphql-response+json';
  const sse = 'text/event-stream';
  const multipart = 'multipart/mixed';

  test.each([
    [undefined, json, sse, false],
    ['*/*', json, sse, false],
    ['', json, sse, false],
    [' ', json, sse, false],
    [json, json, undefined, false],
    [graphql, graphql, undefined, false],
    [`${graphql}; charset=utf-8, application/json; q=0.9`, graphql, undefined, false],
    ['application/json, text/event-stream', json, sse, false],
    ['text/event-stream, application/json', json, sse, true],
    ['multipart/mixed; boundary="-"', undefined, multipart, false],
    // Apollo Client and gql for a subscription, urql for everything.
    ['multipart/mixed;boundary=graphql;subscriptionSpec=1.0,application/json', json, multipart, false],
    [`${graphql}, application/graphql+json, ${json}, ${sse}, ${multipart}`, graphql, sse, false],
    ['multipart/mixed, */*', json, multipart, false],
    ['image/png, application/*', json, undefined, false],
    ['APPLICATION/JSON ; CHARSET="UTF-8"', json, undefined, false],
    ['application/json; charset=latin1', undefined, undefined, false],
    ['application/json;q=0, text/event-stream;q=0.5', undefined, sse, true],
    ['text/html', undefined, undefined, false],
  ])('%s', (accept, whole, stream, streamFirst) => {
    expect(negotiate(accept)).toEqual({ whole, stream, streamFirst });
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
