import { WrongKeyError } from '../../admission/keys.ts';
import { SpentError } from '../../admission/money-budgets.ts';
import { describeError, EmbedQLError, type ErrorCode, type NameOption } from '../../core/errors.ts';
import type { ErrorShape } from '../../http/respond.ts';

/** A member of the body that is wrong, or a text in it. */
export class ParameterError extends EmbedQLError {
  /** Such as `input[3]`; null for the body as a whole. */
  readonly param: string | null;

  constructor(param: string | null, message: string, code: ErrorCode = 'BAD_USER_INPUT') {
    super(code, message, { retryable: false });
    this.param = param;
  }
}

const types: Partial<Record<number, string>> = {
  401: 'authentication_error',
  403: 'permission_error',
  429: 'rate_limit_error',
};

/** Where OpenAI has a word of its own that its clients look for. */
function wordOf(error: EmbedQLError): string | undefined {
  if (error instanceof WrongKeyError) return 'invalid_api_key';
  if (error instanceof SpentError) return spent;
  return undefined;
}

const spent = 'insufficient_quota';

/**
 * Errors in OpenAI's shape (its API reference, "Error codes"). What its clients make of one depends on its status: they
 * try 408, 409, 429 and 5xx again, unless a header tells them that it is in vain.
 */
export function openaiErrors(nameOption: NameOption): ErrorShape {
  return {
    body(error, status) {
      const word = wordOf(error);
      const type =
        word === spent ? word : (types[status] ?? (status >= 500 ? 'server_error' : 'invalid_request_error'));
      const message = describeError(error, nameOption);
      const param = error instanceof ParameterError ? error.param : null;
      return { error: { message, type, param, code: word ?? error.code.toLowerCase() } };
    },
    // A refusal of the provider that will not pass is not worth trying again, which 502 would invite to.
    statusOf: ({ code, retryable }) => (code === 'PROVIDER_ERROR' && !retryable ? 400 : undefined),
    headers: (error): Record<string, string> =>
      !error.retryable || error instanceof SpentError ? { 'x-should-retry': 'false' } : {},
  };
}
