import type { Clock } from '../../core/clock.ts';
import { EmbedQLError, ServerFailedError, toEmbedQLError } from '../../core/errors.ts';
import { isAbort } from './checked-model.ts';

/** The longest wait before the second attempt; doubled for each further one. */
const firstBackoffMs = 200;
const longestBackoffMs = 8_000;

/** How long to wait after an attempt that failed, full jitter: anything between nothing and the doubled wait. @param attempt from 1 */
export function backoffMs(clock: Clock, attempt: number): number {
  return clock.random() * Math.min(longestBackoffMs, firstBackoffMs * 2 ** (attempt - 1));
}

/** The longest pause that a provider can ask for (contract, "retryAfterMs"). */
const longestRetryAfterMs = 15 * 60_000;

/** What an attempt has come to, for clients. @param name the model's */
export function explain(error: unknown, name: string): EmbedQLError {
  if (isAbort(error)) return timedOut(name);
  return withinReason(toEmbedQLError(error));
}

/** The provider has not answered. */
export function timedOut(name: string): EmbedQLError {
  return new EmbedQLError(
    'PROVIDER_TIMEOUT',
    `The provider of ${name} did not answer in time; try again, or raise timeoutMs.`,
    { hint: 'timeoutMs' },
  );
}

/** Failures of the provider as a whole: out of reach, out of time, out of order. */
export function isOutage(error: unknown): boolean {
  return error instanceof EmbedQLError && error.retryable && error.code !== 'RATE_LIMITED';
}

/** RATE_LIMITED always says when to come back. */
export function withRetryAfter(error: EmbedQLError, pauseMs: number): EmbedQLError {
  if (error.code !== 'RATE_LIMITED' || error.retryAfterMs !== undefined) return error;
  const retryAfterMs = Math.ceil(Math.max(pauseMs, 1_000));
  return new EmbedQLError(error.code, error.message, {
    retryable: error.retryable,
    retryAfterMs,
    ...(error.hint ? { hint: error.hint } : {}),
    cause: error,
  });
}

/** No pause that a provider asks for is longer than anybody can mean. */
function withinReason(error: EmbedQLError): EmbedQLError {
  const { retryAfterMs } = error;
  if (retryAfterMs === undefined || retryAfterMs <= longestRetryAfterMs) return error;
  const details = { retryable: error.retryable, retryAfterMs: longestRetryAfterMs, cause: error };
  return error instanceof ServerFailedError
    ? new ServerFailedError(error.message, error.isOutage, details)
    : new EmbedQLError(error.code, error.message, details);
}
