import type { ExecutionResult } from 'graphql';
import { isAsyncIterable, type Plugin } from 'graphql-yoga';
import type { OperationRecord } from '../../operation-log.ts';
import type { Finish } from '../coded-error.ts';

/** Finishes results that Yoga writes: whole ones, and every event of a stream. */
export function useFinishedResults(finish: Finish): Plugin<object, { record: OperationRecord }> {
  return {
    onResultProcess({ result, setResult, serverContext: { record } }) {
      if (isAsyncIterable(result)) return setResult(mapEach(result, (event) => finish(event, record)));
      setResult(Array.isArray(result) ? result.map((part) => finish(part, record)) : finish(result, record));
      record.tellFigures();
    },
  };
}

/** Not an async generator: that would pass on the end that a client asks for only once an event has come. */
function mapEach<Event extends ExecutionResult>(
  events: AsyncIterable<Event>,
  map: (event: Event) => Event,
): AsyncIterable<Event> {
  return {
    [Symbol.asyncIterator]() {
      const source = events[Symbol.asyncIterator]();
      return {
        async next() {
          const next = await source.next();
          return next.done ? next : { done: false, value: map(next.value) };
        },
        return: async () => (await source.return?.()) ?? { done: true, value: undefined },
      };
    },
  };
}
