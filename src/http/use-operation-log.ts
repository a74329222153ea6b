import { type ExecutionArgs, getOperationAST } from 'graphql';
import { isAsyncIterable, type Plugin } from 'graphql-yoga';
import type { Context } from '../schema/context.ts';
import type { Log } from '../telemetry/log.ts';

/** One line for each operation: what it asked for and what that came to. Never a text, a vector or a key. */
export function useOperationLog(log: Log): Plugin<Context> {
  return {
    onExecute({ args }) {
      const started = performance.now();
      const { contextValue: context } = args;
      return {
        onExecuteDone({ result }) {
          if (isAsyncIterable(result)) return context.span.end();
          const ms = performance.now() - started;
          context.accounting.operation(ms);
          const { texts, hits, calls, costUsd } = context.loader.figures;
          context.span.end({ texts, hits, calls, costUsd, errors: result.errors?.length ?? 0 });
          if (texts > 0)
            context.setHeader(
              'x-embedql-figures',
              `texts=${texts} hits=${hits} calls=${calls} cost=${costUsd}`,
            );
          if (!log.isLevelEnabled('info')) return;
          const operation = getOperationAST(args.document, (args as ExecutionArgs).operationName);
          log.info(
            {
              requestId: context.requestId,
              operation: operation?.name?.value,
              type: operation?.operation,
              fields: operation?.selectionSet.selections.length,
              ...context.loader.figures,
              errors: result.errors?.length ?? 0,
              ms: Math.round(ms * 10) / 10,
            },
            'operation',
          );
        },
      };
    },
  };
}
