import { GraphQLError } from 'graphql';
import { EmbedQLError, type ErrorCode, errorCodes, toEmbedQLError } from '../../core/errors.ts';

/** Codes that belong to an HTTP status when they concern the request as a whole. */
const httpStatus: Partial<Record<ErrorCode, number>> = { UNAUTHENTICATED: 401, FORBIDDEN: 403 };

/**
 * Any error as a client may see it: with a code of the contract and `retryable`, and with nothing in its
 * message that was in a text, a stack or a provider's answer. Where it stood in the document is kept.
 */
export function codedError(error: unknown): GraphQLError {
  if (!(error instanceof GraphQLError)) return withCode(toEmbedQLError(error), undefined);
  const cause = rootCause(error);
  if (cause && !(cause instanceof GraphQLError)) return withCode(toEmbedQLError(cause), error);
  if (isCoded(error)) return error;
  const { code, http: asThrown } = error.extensions as { code?: string; http?: { status?: number } };
  // GraphQL over HTTP wants 400 for a body that is no request, whatever type of answer is accepted; without
  // `spec` Yoga does so.
  const http = asThrown && code === 'BAD_REQUEST' ? { status: asThrown.status } : asThrown;
  const isOurFault = (http?.status ?? 400) >= 500;
  const coded = isOurFault
    ? toEmbedQLError(error)
    : new EmbedQLError('BAD_USER_INPUT', withoutValues(error.message));
  return withCode(coded, error, http);
}

/** What was thrown in the first place; graphql-js wraps errors, its own too, to say where they happened. */
function rootCause(error: GraphQLError): Error | undefined {
  const { originalError } = error;
  return originalError instanceof GraphQLError ? (rootCause(originalError) ?? originalError) : originalError;
}

function isCoded({ extensions }: GraphQLError): boolean {
  return (errorCodes as readonly unknown[]).includes(extensions['code']) && 'retryable' in extensions;
}

function withCode(coded: EmbedQLError, located: GraphQLError | undefined, http?: object): GraphQLError {
  const { code, retryable, retryAfterMs } = coded;
  const status = httpStatus[code];
  return new GraphQLError(coded.message, {
    nodes: located?.nodes,
    source: located?.source,
    positions: located?.positions,
    path: located?.path,
    // Kept for the log; what is sent has no original error.
    originalError: code === 'INTERNAL_SERVER_ERROR' ? (coded.cause as Error | undefined) : undefined,
    extensions: {
      code,
      retryable,
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
      ...(http ? { http } : status && !located?.path ? { http: { status } } : {}),
    },
  });
}

/** graphql-js repeats wrong values in its messages, and a wrong value may be somebody's text. */
function withoutValues(message: string): string {
  return message
    .replace(/got invalid value [\s\S]*; /, 'got an invalid value; ')
    .replace(/(cannot represent [^:]*): [\s\S]*$/, '$1.')
    .replace(/(Expected value of type [^,]*), found [\s\S]*$/, '$1.')
    .replace(/(String|BlockString) "[\s\S]*"/, '$1');
}
