import { describeError, EmbedQLError, type NameOption } from '../../core/errors.ts';
import type { ErrorShape } from '../../http/respond.ts';

/** A member of the body that is wrong. */
export class WrongParameter extends EmbedQLError {
  readonly param: string;

  constructor(param: string, message: string) {
    super('BAD_USER_INPUT', message);
    this.param = param;
  }
}

const types: Partial<Record<number, string>> = {
  401: 'authentication_error',
  403: 'permission_error',
  429: 'rate_limit_error',
};

/**
 * Errors in OpenAI's shape (its API reference, "Error codes"). What its clients make of one depends on its status: they
 * try 408, 409, 429 and 5xx again.
 */
export function openaiErrors(nameOption: NameOption): ErrorShape {
  return {
    body(error, status) {
      const type = types[status] ?? (status >= 500 ? 'server_error' : 'invalid_request_error');
      const message = describeError(error, nameOption);
      const param = error instanceof WrongParameter ? error.param : null;
      return { error: { message, type, param, code: error.code.toLowerCase() } };
    },
    // A refusal of the provider that will not pass is not worth trying again, which 502 would invite to.
    statusOf: ({ code, retryable }) => (code === 'PROVIDER_ERROR' && !retryable ? 400 : undefined),
  };
}
