import { expect, test } from 'vitest';
import { EmbedQLError, InputRefusedError, toEmbedQLError } from '../../../src/core/errors.ts';

test('an error of another copy of this package is one of ours, and of the same kind', async () => {
  const copy = '../../../src/core/errors.ts?another-copy';
  const other = (await import(copy)) as typeof import('../../../src/core/errors.ts');
  expect(other.EmbedQLError).not.toBe(EmbedQLError);
  const failure = new other.EmbedQLError('RATE_LIMITED', 'Later.', { retryable: true });
  const refusal = new other.InputRefusedError('Change it.');
  expect([failure instanceof EmbedQLError, failure instanceof InputRefusedError]).toEqual([true, false]);
  expect([refusal instanceof EmbedQLError, refusal instanceof InputRefusedError]).toEqual([true, true]);
  expect(toEmbedQLError(failure)).toBe(failure);
  class Own extends EmbedQLError {}
  expect([failure instanceof Own, new Own('BAD_USER_INPUT', 'No.') instanceof Own]).toEqual([false, true]);
  for (const nothing of [null, undefined, 'text', new Error('plain'), {}]) {
    expect((nothing as unknown) instanceof EmbedQLError).toBe(false);
  }
});
