import type { ExecutionArgs } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import { tooManyTexts } from '../embedder/errors.ts';
import { codedError } from '../schema/coded-error.ts';
import type { Context } from '../schema/context.ts';

/** Plans every operation before it runs, and stops one that asks for too much before anything of it runs. */
export function useLookAhead(): Plugin<Context> {
  return {
    onExecute({ args, setResultAndStopExecution }) {
      const context = args.contextValue;
      const requests: number = context.lookAhead.plan(args as ExecutionArgs, context);
      if (requests > context.maxTexts) {
        setResultAndStopExecution({
          errors: [codedError(tooManyTexts('The operation asks for', requests, context.maxTexts))],
        });
      }
    },
  };
}
