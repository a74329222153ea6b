import { EmbedQLError } from '../../core/errors.ts';
import type { ModelSpec } from '../../core/model.ts';
import { isAbort } from '../dependable/checked-model.ts';
import { describeAnswer, type FailedAnswer, unreachable } from '../failures.ts';

/** An answer that the AI SDK could not use (`APICallError`). */
export interface ApiCallError extends Error {
  /** Undefined where no answer came. */
  readonly statusCode?: number | undefined;
  readonly responseHeaders?: Readonly<Record<string, string>> | undefined;
  /** The error that the service sent, read. */
  readonly data?: unknown;
  /** Whether a connection broke, or the status says that it may pass. */
  readonly isRetryable: boolean;
}

/** What only a vendor knows of its refusals. */
export type ReadRefusal = (error: ApiCallError) => Pick<FailedAnswer, 'reason' | 'retryAfterMs'>;

/** How the SDK marks its errors, so that they are known across copies of its packages. */
const apiCallMark = Symbol.for('vercel.ai.error.AI_APICallError');

function isApiCallError(error: unknown): error is ApiCallError {
  return error instanceof Error && apiCallMark in error;
}

/**
 * Turns an error of the AI SDK into one for clients, without the service's own words.
 * @param key what the key is set with. @returns the error itself where it is not the SDK's: an abortion, or a defect
 */
export function describeSdkFailure(
  error: unknown,
  spec: ModelSpec,
  key: string,
  readRefusal: ReadRefusal = () => ({}),
): unknown {
  if (error instanceof EmbedQLError || isAbort(error)) return error;
  if (!isApiCallError(error)) return error;
  const { statusCode: status, responseHeaders } = error;
  if (status === undefined) return unreachable(spec);
  if (status < 400) {
    // The answer had begun; it broke off, or is none.
    if (error.isRetryable) return unreachable(spec);
    return new EmbedQLError(
      'PROVIDER_ERROR',
      `The provider of ${spec.name} sent something that is not an embeddings answer; its answer was discarded. ` +
        'Check its base URL.',
    );
  }
  const headers = responseHeaders && new Headers(responseHeaders);
  return describeAnswer({ status, headers, ...readRefusal(error) }, spec, key);
}
