import { describe, expect, test, vi } from 'vitest';
import { EmbedQLError } from '../../../src/core/errors.ts';
import type { Answer } from '../../../src/core/request.ts';
import { silentLog } from '../../../src/core/surroundings.ts';
import { OperationLog } from '../../../src/doors/operation-log.ts';

function begin() {
  const info = vi.fn();
  const operation = vi.fn();
  const spanEnd = vi.fn();
  const setHeader = vi.fn();
  const record = new OperationLog({
    log: { ...silentLog, info, isLevelEnabled: () => true },
    tracing: {
      tracer: { enabled: true, start: () => ({ context: 'here', end: spanEnd }) },
      contextOf: () => undefined,
      close: async () => {},
    },
    events: { operation },
  }).begin('graphql', { requestId: 'r-1', key: 'web', headers: {}, setHeader });
  return { record, info, operation, spanEnd, setHeader };
}

const answer = (source: Answer['source'], costUsd = 0, call?: object): Answer => ({
  vector: new Float32Array(1),
  tokens: 1,
  truncated: false,
  source,
  costUsd,
  call,
});

describe('the record of an operation', () => {
  test('ends with one line, one event and one span, which say the same', () => {
    const { record, info, operation, spanEnd, setHeader } = begin();
    const call = {};
    record.describe({ type: 'mutation', operation: 'Named', fields: 3 });
    record.answered([answer('memory'), answer('provider', 2, call), answer('provider', 1, call)]);
    const empty = new EmbedQLError('BAD_USER_INPUT', '');
    record.entriesFailed([answer('memory'), empty]);
    record.failed('BAD_USER_INPUT');
    record.failed('TEXT_TOO_LONG');
    record.tellFigures();
    record.end();
    record.end(true);
    const codes = { BAD_USER_INPUT: 2, TEXT_TOO_LONG: 1 };
    expect(info.mock.calls).toEqual([
      [
        {
          requestId: 'r-1',
          key: 'web',
          type: 'mutation',
          operation: 'Named',
          fields: 3,
          texts: 3,
          hits: 1,
          calls: 1,
          costUsd: 3,
          outcome: 'failed',
          errors: 3,
          codes,
          ms: expect.any(Number),
        },
        'operation',
      ],
    ]);
    expect(operation).toHaveBeenCalledTimes(1);
    expect(operation.mock.calls[0]![0]).toMatchObject({ type: 'mutation', outcome: 'failed', texts: 3 });
    expect(Object.fromEntries(operation.mock.calls[0]![0].errors)).toEqual(codes);
    expect(spanEnd).toHaveBeenCalledTimes(1);
    expect(setHeader.mock.calls).toEqual([['x-embedql-figures', 'texts=3 hits=1 calls=1 cost=3']]);
  });

  test('is ok where only entries failed, and where nothing did', () => {
    const { record, operation } = begin();
    record.entriesFailed([new EmbedQLError('BAD_USER_INPUT', '')]);
    record.end();
    expect(operation.mock.calls[0]![0]).toMatchObject({ outcome: 'ok', type: 'unknown' });
  });

  test('has no error for what was given up when the client left', () => {
    const { record, info } = begin();
    record.failed('INTERNAL_SERVER_ERROR');
    record.failed('BAD_USER_INPUT');
    record.end(true);
    expect(info.mock.calls[0]![0]).toMatchObject({ outcome: 'cancelled', codes: { BAD_USER_INPUT: 1 } });
  });

  test('tells no figures where no text was asked for', () => {
    const { record, setHeader } = begin();
    record.tellFigures();
    expect(setHeader).not.toHaveBeenCalled();
  });
});
