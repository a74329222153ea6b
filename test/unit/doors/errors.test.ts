import fc from 'fast-check';
import { buildSchema, GraphQLError, parse, validate } from 'graphql';
import { describe, expect, test, vi } from 'vitest';
import { variableOf } from '../../../src/config/config.ts';
import { EmbedQLError, tooManyTexts } from '../../../src/core/errors.ts';
import { silentLog } from '../../../src/core/surroundings.ts';
import { createFinish, withoutValues } from '../../../src/doors/graphql/coded-error.ts';

describe('a result that is finished', () => {
  const finished = (originalError: Error) => {
    const log = { ...silentLog, error: vi.fn() };
    const record = { failed: vi.fn() };
    const error = new GraphQLError('as thrown', { originalError, path: ['a'] });
    const { errors } = createFinish(variableOf, log)({ data: { a: null }, errors: [error] }, record);
    return { error: errors![0]!, log, record };
  };

  test('has coded errors, which the record is told of', () => {
    const { error, log, record } = finished(tooManyTexts(2, 1));
    expect(error.toJSON()).toEqual({
      message: 'The operation asks for 2 texts; 1 are allowed. Split it, or raise EMBEDQL_MAX_TEXTS.',
      path: ['a'],
      extensions: { code: 'COST_LIMIT_EXCEEDED', retryable: false },
    });
    expect(record.failed.mock.calls).toEqual([['COST_LIMIT_EXCEEDED']]);
    expect(log.error).not.toHaveBeenCalled();
  });

  test('says nothing of a fault of ours, and the log all', () => {
    const fault = new TypeError('password=hunter2');
    const { error, log, record } = finished(fault);
    expect(JSON.stringify(error)).not.toContain('hunter2');
    expect(error.originalError).toBeUndefined();
    expect(record.failed.mock.calls).toEqual([['INTERNAL_SERVER_ERROR']]);
    expect(log.error.mock.calls).toEqual([[{ err: fault, path: ['a'] }, 'internal error']]);
  });

  test('logs what an internal error of ours was caused by, and none that has no cause', () => {
    const cause = new Error('below');
    const wrapped = new EmbedQLError('INTERNAL_SERVER_ERROR', 'Shown.', { cause });
    expect(finished(wrapped).log.error.mock.calls).toEqual([[{ err: cause, path: ['a'] }, 'internal error']]);
    expect(finished(new EmbedQLError('INTERNAL_SERVER_ERROR', 'Shown.')).log.error).not.toHaveBeenCalled();
  });

  test('says what to do where no operation was found', () => {
    const error = new GraphQLError('Could not determine what operation to execute.', {
      extensions: { code: 'OPERATION_RESOLUTION_FAILURE', http: { status: 400 } },
    });
    const { errors } = createFinish(variableOf, silentLog)({ errors: [error] }, { failed: vi.fn() });
    expect(errors![0]!.message).toContain('operationName');
    expect(errors![0]!.extensions).toMatchObject({ code: 'BAD_USER_INPUT', http: { status: 400 } });
  });

  test('has no error of ours where the client has left', () => {
    const { log, record } = finished(new DOMException('This operation was aborted', 'AbortError'));
    expect(log.error).not.toHaveBeenCalled();
    expect(record.failed).not.toHaveBeenCalled();
  });
});

describe('a message of graphql-js', () => {
  const secret = 'SeCrEt';
  const schema = buildSchema('type Query { a(n: Int, s: String): Int }');
  const message = (query: string) => {
    try {
      return validate(schema, parse(query))[0]!.message;
    } catch (error) {
      return (error as Error).message;
    }
  };

  test.each([
    [`{ "${secret}" }`, 'Syntax Error: Expected Name, found String.'],
    [`{ """${secret}""" }`, 'Syntax Error: Expected Name, found BlockString.'],
    [`{ a(n: "${secret}") }`, 'Int cannot represent non-integer value.'],
    ['{ other }', 'Cannot query field "other" on type "Query".'],
  ])('is shown without the value in it: %s', (query, shown) => {
    expect(withoutValues(message(query))).toBe(shown);
  });

  test('never repeats a value, whatever is in it', () => {
    const pieces = [
      'got invalid value ',
      'cannot represent ',
      ': ',
      '; ',
      ', found ',
      'Expected value of type ',
      ' "',
      'x',
    ];
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...pieces), { maxLength: 12 }), (parts) => {
        const value = JSON.stringify(parts.join('') + secret + parts.reverse().join(''));
        for (const text of [
          `Variable "$t" got invalid value ${value}; String cannot represent a non string value: ${value}`,
          `Syntax Error: Expected Name, found String ${value}.`,
          `Int cannot represent non-integer value: ${value}`,
          `Expected value of type "E", found ${value}.`,
        ])
          expect(withoutValues(text)).not.toContain(secret);
      }),
    );
  });

  test('is short, and looked at in linear time: 16 MB of half matches would take an hour otherwise', () => {
    for (const phrase of [
      'got invalid value ',
      'cannot represent ',
      'Expected value of type ',
      'String "',
      'got invalid value 1; ',
    ]) {
      const shown = withoutValues(`Syntax Error: ${phrase.repeat(16e6 / phrase.length)}`);
      expect(shown.length).toBeLessThanOrEqual(1_000);
    }
  });
});
