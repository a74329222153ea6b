import { type ExecutionResult, GraphQLError } from 'graphql';
import {
  badUserInput,
  describeError,
  EmbedQLError,
  type ErrorCode,
  errorKinds,
  type NameOption,
  toEmbedQLError,
} from '../../core/errors.ts';
import type { Log } from '../../core/surroundings.ts';
import type { ErrorShape } from '../../http/respond.ts';
import type { OperationRecord } from '../operation-log.ts';

/** Codes that say the HTTP status of an answer, where they concern the request as a whole. */
const statusCodes: readonly ErrorCode[] = ['UNAUTHENTICATED', 'FORBIDDEN'];

/** Errors in GraphQL's shape, for those who are turned away before GraphQL sees them. */
export function graphqlErrors(nameOption: NameOption): ErrorShape {
  return {
    body: (error) => ({
      errors: [{ message: describeError(error, nameOption), extensions: extensionsOf(error) }],
    }),
  };
}

/** Makes a result fit to be sent, and tells the record what failed in it. */
export type Finish = <Result extends ExecutionResult>(
  result: Result,
  record: Pick<OperationRecord, 'failed'>,
) => Result;

/**
 * The one place where errors get their codes, whatever stage they come from: where a result becomes an answer. Those
 * that are faults of ours are logged, and what the client sees says nothing of them.
 */
export function createFinish(nameOption: NameOption, log: Log): Finish {
  return (result, record) => {
    if (!result.errors) return result;
    const errors = result.errors.map((error) => {
      const fault = causeOf(error);
      const coded = codedError(error, nameOption);
      // The client has left, so nobody reads this.
      if (isAbort(fault)) return coded;
      const code = coded.extensions['code'] as ErrorCode;
      record.failed(code);
      // Our own errors are told to the client as they are; there is nothing more to know.
      if (code === 'INTERNAL_SERVER_ERROR' && !(fault instanceof EmbedQLError && !fault.cause))
        log.error(
          { err: fault instanceof EmbedQLError ? fault.cause : fault, path: coded.path },
          'internal error',
        );
      return coded;
    });
    return { ...result, errors };
  };
}

/**
 * Any error as a client may see it: with a code of the contract and `retryable`, and with nothing in its
 * message that was in a text, a stack or a provider's answer. Where it stood in the document is kept.
 */
export function codedError(error: unknown, nameOption: NameOption): GraphQLError {
  if (!(error instanceof GraphQLError)) return withCode(toEmbedQLError(error), undefined, nameOption);
  const cause = causeOf(error);
  if (!(cause instanceof GraphQLError)) return withCode(toEmbedQLError(cause), error, nameOption);
  const { code, http: asThrown } = error.extensions as { code?: string; http?: { status?: number } };
  // GraphQL over HTTP requires 400 for a body that is no request, whatever type of answer is accepted; without
  // `spec` Yoga does so.
  const http = asThrown && code === 'BAD_REQUEST' ? { status: asThrown.status } : asThrown;
  const isOurFault = (http?.status ?? 400) >= 500;
  const shown = isOurFault ? toEmbedQLError(error) : badUserInput(withoutValues(error.message));
  return withCode(shown, error, nameOption, http);
}

/** What was thrown in the first place; graphql-js wraps errors, its own too, to say where they happened. */
function causeOf(error: unknown): unknown {
  let cause = error;
  while (cause instanceof GraphQLError && cause.originalError) cause = cause.originalError;
  return cause;
}

/** A field that is given up because the client has left rejects with the reason of its signal. */
function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError';
}

function withCode(
  shown: EmbedQLError,
  located: GraphQLError | undefined,
  nameOption: NameOption,
  http?: object,
): GraphQLError {
  const { code } = shown;
  const status = statusCodes.includes(code) && !located?.path ? errorKinds[code].status : undefined;
  return new GraphQLError(describeError(shown, nameOption), {
    nodes: located?.nodes,
    source: located?.source,
    positions: located?.positions,
    path: located?.path,
    extensions: { ...extensionsOf(shown), ...(http ? { http } : status ? { http: { status } } : {}) },
  });
}

function extensionsOf({ code, retryable, retryAfterMs }: EmbedQLError) {
  return { code, retryable, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
}

/** Characters of a message of graphql-js that are shown. */
const longestMessage = 1_000;
const [invalidValue, quotedString] = ['got invalid value ', 'String "'];

/**
 * graphql-js repeats wrong values in its messages, and a wrong value may be somebody's text, a megabyte of it. Searches
 * from one end alone, with nothing that backtracks: in one pass for each rule.
 */
export function withoutValues(message: string): string {
  let text = message;
  const invalid = text.indexOf(invalidValue);
  const reason = text.lastIndexOf('; ');
  if (invalid >= 0 && reason > invalid)
    text = `${text.slice(0, invalid)}got an invalid value; ${text.slice(reason + 2)}`;
  text = endBefore(text, 'cannot represent ', ': ');
  text = endBefore(text, 'Expected value of type ', ', found ');
  const quote = text.indexOf(quotedString);
  const end = text.lastIndexOf('"');
  if (quote >= 0 && end >= quote + quotedString.length)
    text = `${text.slice(0, quote)}String${text.slice(end + 1)}`;
  return text.slice(0, longestMessage);
}

/** Ends the text at the first `separator` after the first `phrase`. */
function endBefore(text: string, phrase: string, separator: string): string {
  const start = text.indexOf(phrase);
  const end = start === -1 ? -1 : text.indexOf(separator, start);
  return end === -1 ? text : `${text.slice(0, end)}.`;
}
