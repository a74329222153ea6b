import { type ExecutionArgs, getOperationAST } from 'graphql';
import { isAsyncIterable, type Plugin } from 'graphql-yoga';
import type { Log } from '../../../core/surroundings.ts';
import { tellFigures } from '../../operation-figures.ts';
import type { Context } from '../context.ts';

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
          const { figures } = context.loader;
          const { texts, hits, calls, costUsd } = figures;
          const errors = result.errors?.length ?? 0;
          context.span.end({ texts, hits, calls, costUsd, errors });
          if (texts > 0) tellFigures(context, figures);
          if (!log.isLevelEnabled('info')) return;
          const operation = getOperationAST(args.document, (args as ExecutionArgs).operationName);
          log.info(
            {
              requestId: context.requestId,
              key: context.key,
              operation: operation?.name?.value,
              type: operation?.operation,
              fields: operation?.selectionSet.selections.length,
              ...figures,
              errors,
              ms: Math.round(ms * 10) / 10,
            },
            'operation',
          );
        },
      };
    },
  };
}
