import { type ExecutionArgs, getOperationAST } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import type { Context } from '../context.ts';

/** Says in the record of every operation what it is. The record is ended by whoever writes the answer. */
export function useOperationLog(): Plugin<Context> {
  const describe = ({ args }: { args: unknown }) => {
    const { document, operationName, contextValue } = args as ExecutionArgs;
    const operation = getOperationAST(document, operationName);
    if (!operation) return;
    (contextValue as Context).record.describe({
      type: operation.operation,
      operation: operation.name?.value,
      fields: operation.selectionSet.selections.length,
    });
  };
  return { onExecute: describe, onSubscribe: describe };
}
