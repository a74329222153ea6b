import { EmbedQLError, InputRefusedError, ServerFailedError } from '../core/errors.ts';
import type { ModelSpec } from '../core/model.ts';

/** Statuses by which a provider refuses what it was given, as opposed to who asks or when. */
const inputStatuses = new Set([400, 413, 422]);

/** Statuses by which a gateway says that the server behind it is away; HTTP 500 may be about one text. */
const outageStatuses = new Set([502, 503, 504]);

/** Statuses that the contract has retried: timeouts, conflicts, and everything from 500. */
const retriedStatuses = new Set([408, 409]);

/** An answer by which a service refuses, or fails. */
export interface FailedAnswer {
  readonly status: number;
  readonly headers: Headers | undefined;
  /** Milliseconds to wait, where the service says so elsewhere than in its headers. */
  readonly retryAfterMs?: number | undefined;
  /** Why it was refused, where more is known than the status says. */
  readonly reason?: 'key' | 'quota' | 'request' | undefined;
}

/**
 * What a refusal means for clients, without the service's own words.
 * @param key what the key is set with
 */
export function describeAnswer(answer: FailedAnswer, spec: ModelSpec, key: string): EmbedQLError {
  const { status, headers, reason } = answer;
  const provider = `The provider of ${spec.name}`;
  if (status === 401 || status === 403 || reason === 'key') {
    return new EmbedQLError(
      'PROVIDER_ERROR',
      `${provider} does not accept the key (HTTP ${status}); check ${key}.`,
    );
  }
  if (status === 404) {
    return new EmbedQLError(
      'PROVIDER_ERROR',
      `${provider} has no such model or route (HTTP 404); check its id and base URL.`,
    );
  }
  if (reason === 'quota') {
    return new EmbedQLError(
      'PROVIDER_ERROR',
      `${provider} reports that the quota of this key is used up; raise the quota, or set another ${key}.`,
    );
  }
  const retryAfterMs = answer.retryAfterMs ?? readRetryAfter(headers);
  const details = { retryable: true, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
  if (status === 429) {
    return new EmbedQLError('RATE_LIMITED', `${provider} asks for fewer requests; try again later.`, details);
  }
  if (status >= 500 || retriedStatuses.has(status)) {
    const message = `${provider} failed (HTTP ${status}); try again.`;
    if (status < 500) return new EmbedQLError('PROVIDER_ERROR', message, details);
    return new ServerFailedError(message, outageStatuses.has(status), details);
  }
  if (inputStatuses.has(status) && reason !== 'request') {
    return new InputRefusedError(
      `${provider} refuses this text (HTTP ${status}); change it, or leave it out.`,
    );
  }
  return new EmbedQLError('PROVIDER_ERROR', `${provider} refuses the request (HTTP ${status}).`);
}

/** No answer came, or not all of it. */
export function unreachable(spec: ModelSpec): EmbedQLError {
  return new EmbedQLError(
    'PROVIDER_ERROR',
    `The provider of ${spec.name} cannot be reached or closed the connection; try again.`,
    { retryable: true },
  );
}

/**
 * Milliseconds after which the provider says that it can be asked again: `retry-after-ms`, else `Retry-After` in seconds
 * or as a date (RFC 9110, 10.2.3), else the later of OpenAI's `x-ratelimit-reset-requests` and `-tokens` whose share is
 * used up.
 */
export function readRetryAfter(headers: Headers | undefined, now = Date.now()): number | undefined {
  const milliseconds = Number.parseFloat(headers?.get('retry-after-ms') ?? '');
  if (milliseconds >= 0) return Math.ceil(milliseconds);
  const value = headers?.get('retry-after');
  if (value && /^\s*\d+(\.\d+)?\s*$/.test(value)) return Math.ceil(Number.parseFloat(value) * 1000);
  // A date has letters; `Date.parse` takes a negative number for one.
  const date = value && /[a-z]/i.test(value) ? Date.parse(value) : Number.NaN;
  if (!Number.isNaN(date)) return Math.max(0, date - now);
  return headers && readReset(headers);
}

/** OpenAI's own headers (its guide "Rate limits"): a share that is used up, and when it is there again. */
function readReset(headers: Headers): number | undefined {
  const shares = ['requests', 'tokens'].map((share) => ({
    left: headers.get(`x-ratelimit-remaining-${share}`),
    resetMs: readDuration(headers.get(`x-ratelimit-reset-${share}`)),
  }));
  const known = shares.filter(({ resetMs }) => resetMs !== undefined);
  const usedUp = known.filter(({ left }) => left === '0');
  const resets = (usedUp.length > 0 ? usedUp : known).map(({ resetMs }) => resetMs!);
  return resets.length === 0 ? undefined : Math.max(...resets);
}

const unitMs: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `1s`, `6m0s`, `250ms`, `1h30m`: Go's durations, in milliseconds. */
function readDuration(text: string | null): number | undefined {
  if (!text || text.length > 40 || !/^(?:\d{1,9}(?:\.\d{1,9})?(?:ms|s|m|h|d))+$/.test(text)) return undefined;
  let total = 0;
  for (const [, amount, unit] of text.matchAll(/(\d{1,9}(?:\.\d{1,9})?)(ms|s|m|h|d)/gy))
    total += Number(amount) * unitMs[unit!]!;
  return Math.ceil(total);
}
