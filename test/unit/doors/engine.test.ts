import type { IncomingMessage } from 'node:http';
import { describe, expect, test } from 'vitest';
import { createEngine } from '../../../src/doors/graphql/engine.ts';
import { inOrder } from '../../../src/doors/graphql/plugins/in-order.ts';
import { wholeRequest } from '../../../src/doors/graphql/whole-request.ts';
import type { Services } from '../../../src/doors/services.ts';

describe('whether an operation is answered piece by piece', () => {
  const engine = createEngine({} as Services, {
    introspection: true,
    maxTexts: 10,
    maxJobTexts: 10,
    maxAnswerBytes: 1_000_000,
  });

  test.each([
    ['subscription { metricsUpdated { operations } }', undefined, true],
    ['mutation { embed(text: "my subscription has expired") { cost } }', undefined, false],
    ['{ health { status } } # subscription', undefined, false],
    ['query subscription { health { status } }', undefined, false],
    ['query A { health { status } } subscription B { metricsUpdated { operations } }', 'A', false],
    ['query A { health { status } } subscription B { metricsUpdated { operations } }', 'B', true],
    ['query A { health { status } } subscription B { metricsUpdated { operations } }', undefined, false],
    ['subscription {', undefined, false],
    [undefined, undefined, false],
  ])('%s, %s: %s', (query, operationName, expected) => {
    const params = { ...(query ? { query } : {}), ...(operationName ? { operationName } : {}) };
    expect(engine.isSubscription(params)).toBe(expected);
    // Out of the cache of documents.
    expect(engine.isSubscription(params)).toBe(expected);
  });
});

describe('plugins', () => {
  test('run in the order in which they stand', () => {
    const [a, b] = [{ onExecute: () => {} }, { onParams: () => {} }];
    expect(inOrder({ useA: a, useNothing: false, useB: b })).toEqual([a, b]);
  });

  test.each(['onRequest', 'onRequestParse', 'onResultProcess', 'onResponse'])(
    'with %s are refused by name: whole answers would skip it',
    (hook) => {
      expect(() => inOrder({ useCSRFPrevention: { [hook]: () => {} } })).toThrow(
        `useCSRFPrevention needs ${hook}, which EmbedQL does not call`,
      );
    },
  );
});

describe('the request of a whole answer', () => {
  const signal = new AbortController().signal;
  const request = wholeRequest(
    { method: 'POST', headers: { 'x-one': '1', 'set-cookie': ['a', 'b'] } } as unknown as IncomingMessage,
    signal,
  );

  test('carries method, headers and signal', () => {
    expect([request.method, request.signal]).toEqual(['POST', signal]);
    expect(request.headers.get('X-One')).toBe('1');
    expect(request.headers.getSetCookie()).toEqual(['a', 'b']);
  });

  test('says by name what it does not carry', () => {
    expect(() => request.url).toThrow('Request.url is not available to plugins');
    expect(() => request.json()).toThrow('Request.json is not available');
  });
});
