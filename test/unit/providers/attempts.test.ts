import { expect, test } from 'vitest';
import { EmbedQLError } from '../../../src/core/errors.ts';
import { Attempts } from '../../../src/providers/local/attempts.ts';

const broken = new EmbedQLError('PROVIDER_ERROR', 'The weights cannot be used.', { retryable: true });

test('after each failure comes a longer pause, up to a minute; success ends that', () => {
  let now = 0;
  const attempts = new Attempts({ now: () => now });
  const pause = () => {
    attempts.failed(broken);
    const ms = attempts.failure!.retryAfterMs!;
    now += ms - 1;
    expect(() => attempts.check()).toThrow(broken.message);
    expect(attempts.failure).toMatchObject({ code: 'PROVIDER_ERROR', retryable: true, retryAfterMs: 1 });
    now += 1;
    expect(() => attempts.check()).not.toThrow();
    return ms;
  };
  const pauses = Array.from({ length: 8 }, pause);
  expect(pauses).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
  attempts.succeeded();
  expect(pause()).toBe(1_000);
});

test('what no later try can help is not called retryable', () => {
  const attempts = new Attempts({ now: () => 0 });
  attempts.failed(new EmbedQLError('PROVIDER_NOT_CONFIGURED', 'Install it.'));
  expect(attempts.failure).toMatchObject({
    code: 'PROVIDER_NOT_CONFIGURED',
    retryable: false,
    retryAfterMs: undefined,
  });
});
