import type { ExecutionResult } from 'graphql';
import { GraphQLError } from 'graphql';
import { isAsyncIterable, type Plugin } from 'graphql-yoga';
import type { Log } from '../../../core/surroundings.ts';
import { codedError } from '../coded-error.ts';

/** Gives every error of every answer that Yoga writes its code; logs those that are ours. */
export function useCodedErrors(log: Log): Plugin {
  return {
    onResultProcess({ result, setResult }) {
      if (Array.isArray(result)) setResult(result.map((part) => codeErrors(part, log)));
      else if (!isAsyncIterable(result)) setResult(codeErrors(result, log));
    },
  };
}

/** Gives every error its code, whichever stage it comes from; logs those that are ours. */
export function codeErrors<Result extends ExecutionResult>(result: Result, log: Log): Result {
  if (!result.errors) return result;
  const errors = result.errors.map((error) => {
    const coded = codedError(error);
    // Errors without a cause are told to the client as they are; there is nothing more to know.
    if (!coded.originalError) return coded;
    log.error({ err: coded.originalError, path: coded.path }, 'internal error');
    const { nodes, path, extensions } = coded;
    return new GraphQLError(coded.message, { nodes, path, extensions });
  });
  return { ...result, errors };
}
