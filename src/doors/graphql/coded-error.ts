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
  const shown = isOurFault
    ? toEmbedQLError(error)
    : badUserInput(adviceFor(code) ?? withoutValues(error.message));
  return withCode(shown, error, nameOption, http);
}

/** What to do where Yoga does not say it. @param code Yoga's */
function adviceFor(code: string | undefined): string | undefined {
  if (code !== 'OPERATION_RESOLUTION_FAILURE') return undefined;
  return 'There is no operation to run; send a document with one, or say in operationName which of its operations you mean.';
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

type Repetition = readonly [phrase: string, rest: (message: string, start: number) => string];

/** How graphql-js begins to repeat a value, and what is left of the message from there. */
const repetitions: ReadonlyArray<Repetition> = [
  ['got invalid value ', (message, start) => `got an invalid value${reasonAfter(message, start)}`],
  ['cannot represent ', (message, start) => `cannot represent ${upTo(message, start, ': ')}`],
  [
    'Expected value of type ',
    (message, start) => `Expected value of type ${upTo(message, start, ', found ')}`,
  ],
  // The value stands between its quotes as it is, with whatever quotes are in it.
  ['String "', (message, start) => `String${message.slice(Math.max(start, message.lastIndexOf('"') + 1))}`],
];

/**
 * graphql-js repeats wrong values in its messages, and a wrong value may be somebody's text, a megabyte of it. What comes
 * first tells which message it is; what comes after may be the value. Every step goes over the message once, forwards.
 */
export function withoutValues(message: string, rules = repetitions): string {
  let first: readonly [at: number, shown: () => string] | undefined;
  for (const [phrase, rest] of rules) {
    const at = message.indexOf(phrase);
    if (at === -1 || (first && first[0] < at)) continue;
    first = [at, () => message.slice(0, at) + rest(message, at + phrase.length)];
  }
  return (first ? first[1]() : message).slice(0, longestMessage);
}

/** The message from `start` to the first separator, as a sentence. */
function upTo(message: string, start: number, separator: string): string {
  const end = message.indexOf(separator, start);
  return end === -1 ? message.slice(start) : `${message.slice(start, end)}.`;
}

/** What follows a value that begins at `start`, which may be a list or an object with texts in it. */
function reasonAfter(message: string, start: number): string {
  let quoted = false;
  for (let i = start; i < message.length; i++) {
    const character = message[i];
    if (character === '"') quoted = !quoted;
    else if (quoted && character === '\\') i += 1;
    else if (!quoted && character === ';')
      return `; ${withoutValues(message.slice(i + 2), repetitions.slice(1))}`;
  }
  return '.';
}
