import type { ExecutionArgs } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import { EmbedQLError } from '../embedder/errors.ts';
import { codedError } from '../schema/coded-error.ts';
import type { Context } from '../schema/context.ts';

/** Plans every operation before it runs, and stops one that asks for too much before anything of it runs. */
export function useLookAhead(): Plugin<Context> {
  return {
    onExecute({ args, setResultAndStopExecution }) {
      const context = args.contextValue;
      const requests: number = context.lookAhead.plan(args as ExecutionArgs, context);
      if (requests > context.maxTexts) {
        setResultAndStopExecution({ errors: [codedError(tooMany(requests, context.maxTexts))] });
      }
    },
  };
}

function tooMany(asked: number, allowed: number): EmbedQLError {
  return new EmbedQLError(
    'COST_LIMIT_EXCEEDED',
    `The operation asks for ${asked} texts where ${allowed} are allowed; split it, or raise EMBEDQL_MAX_TEXTS.`,
  );
}
