import type { ServerResponse } from 'node:http';
import type { EmbedQLError, ErrorCode } from '../../core/errors.ts';
import { retryAfter, sendJson } from '../../http/respond.ts';

/** What OpenAI's clients make of an error depends on its status: they try 408, 409, 429 and 5xx again. */
const statuses: Record<ErrorCode, number> = {
  BAD_USER_INPUT: 400,
  TEXT_TOO_LONG: 400,
  COST_LIMIT_EXCEEDED: 400,
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  MODEL_NOT_FOUND: 404,
  // Trying again helps as little as it does for a wrong request, until somebody sets the key.
  PROVIDER_NOT_CONFIGURED: 400,
  RATE_LIMITED: 429,
  INTERNAL_SERVER_ERROR: 500,
  PROVIDER_ERROR: 502,
  OVERLOADED: 503,
  PROVIDER_TIMEOUT: 504,
};

const types: Partial<Record<number, string>> = {
  401: 'authentication_error',
  403: 'permission_error',
  429: 'rate_limit_error',
};

/** Sends an error in OpenAI's shape (its API reference, "Error codes"). */
export function sendOpenAIError(
  response: ServerResponse,
  error: EmbedQLError,
  { status = statusOf(error), param = null }: { status?: number; param?: string | null } = {},
): void {
  const { message, code } = error;
  const type = types[status] ?? (status >= 500 ? 'server_error' : 'invalid_request_error');
  sendJson(
    response,
    status,
    { error: { message, type, param, code: code.toLowerCase() } },
    retryAfter(error),
  );
}

/** A refusal of the provider that will not pass is not worth trying again, which 502 would invite to. */
function statusOf({ code, retryable }: EmbedQLError): number {
  return code === 'PROVIDER_ERROR' && !retryable ? 400 : statuses[code];
}
