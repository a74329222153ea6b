import type { ExecutionArgs } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import { codedError } from '../coded-error.ts';
import type { Context } from '../context.ts';

/** Plans every operation before it runs, and stops one that may not have what it asks for before anything runs. */
export function useLookAhead(): Plugin<Context> {
  return {
    onExecute({ args, setResultAndStopExecution }) {
      const context = args.contextValue;
      const requests = context.lookAhead.plan(args as ExecutionArgs, context);
      const stop = (error: unknown) => setResultAndStopExecution({ errors: [codedError(error)] });
      try {
        return context.admission.admit(requests, context.payer, 'The operation asks for')?.catch(stop);
      } catch (error) {
        stop(error);
      }
    },
  };
}
