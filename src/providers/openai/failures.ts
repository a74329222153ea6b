import { APIConnectionError, APIConnectionTimeoutError, APIError, APIUserAbortError } from 'openai';
import { EmbedQLError } from '../../core/errors.ts';
import type { ModelSpec } from '../../core/model.ts';
import { describeAnswer, type FailedAnswer, unreachable } from '../failures.ts';

/** Turns an error of the SDK into one for clients, without the provider's own words. */
export function describeFailure(error: unknown, spec: ModelSpec, keyVariable: string): EmbedQLError {
  if (error instanceof EmbedQLError) return error;
  const provider = `The provider of ${spec.name}`;
  if (error instanceof APIUserAbortError || error instanceof APIConnectionTimeoutError) {
    return new EmbedQLError('PROVIDER_TIMEOUT', `${provider} did not answer in time; try again.`, {
      retryable: true,
    });
  }
  if (error instanceof SyntaxError) {
    return new EmbedQLError(
      'PROVIDER_ERROR',
      `${provider} sent something that is not JSON; check its base URL.`,
    );
  }
  // Anything else that is thrown in mid-answer is a connection that broke.
  if (error instanceof APIConnectionError || !(error instanceof APIError) || error.status === undefined)
    return unreachable(spec);
  return describeAnswer(
    { status: error.status, headers: error.headers, reason: reasonOf(error) },
    spec,
    keyVariable,
  );
}

function reasonOf({ status, code, type, param }: APIError): FailedAnswer['reason'] {
  if (status === 429 && (code === 'insufficient_quota' || type === 'insufficient_quota')) return 'quota';
  return param && !param.startsWith('input') ? 'request' : undefined;
}
