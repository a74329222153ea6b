import { type ExecutionResult, GraphQLError } from 'graphql';
import type { GraphQLParams } from 'graphql-yoga';
import type { OperationStart } from './context.ts';
import type { Engine, Outcome } from './engine.ts';
import { checkVariables } from './params.ts';

/** Runs one operation. What is thrown on the way is an error of its result. */
export async function runOperation(
  engine: Engine,
  params: GraphQLParams,
  request: Request,
  start: OperationStart,
): Promise<Outcome> {
  try {
    checkVariables(params.variables, engine.mostListed(params));
    return await engine.run(params, request, start);
  } catch (error) {
    return failed(error);
  }
}

/** The result of an operation that is answered as a whole. */
export async function runWhole(...args: Parameters<typeof runOperation>): Promise<ExecutionResult> {
  const outcome = await runOperation(...args);
  if (!isStream(outcome)) return outcome;
  await outcome[Symbol.asyncIterator]().return?.();
  return failed(
    new GraphQLError(
      'This operation is answered piece by piece; send it by itself and accept text/event-stream.',
    ),
  );
}

export function isStream(outcome: Outcome): outcome is AsyncIterable<ExecutionResult> {
  return Symbol.asyncIterator in outcome;
}

export function failed(error: unknown): ExecutionResult {
  return {
    errors: [
      error instanceof GraphQLError ? error : new GraphQLError('thrown', { originalError: error as Error }),
    ],
  };
}
