import type { ExecutionResult } from 'graphql';
import { GraphQLError } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import { codedError } from '../schema/coded-error.ts';
import type { Log } from '../telemetry/log.ts';

/** Gives every error of every answer its code, whichever stage it comes from; logs those that are ours. */
export function useCodedErrors(log: Log): Plugin {
  return {
    onResultProcess({ result, setResult }) {
      for (const part of Array.isArray(result) ? result : [result]) {
        if (!isFailed(part)) continue;
        const errors = part.errors.map((error) => {
          const coded = codedError(error);
          // Errors without a cause are told to the client as they are; there is nothing more to know.
          if (!coded.originalError) return coded;
          log.error({ err: coded.originalError, path: coded.path }, 'internal error');
          return new GraphQLError(coded.message, {
            nodes: coded.nodes,
            path: coded.path,
            extensions: coded.extensions,
          });
        });
        if (part === result) setResult({ ...part, errors });
        else part.errors = errors;
      }
    },
  };
}

function isFailed(part: unknown): part is ExecutionResult & { errors: GraphQLError[] } {
  return typeof part === 'object' && part !== null && 'errors' in part && Array.isArray(part.errors);
}
