import type { GraphQLParams } from 'graphql-yoga';
import { expect, test } from 'vitest';
import type { Door } from '../../../src/doors/graphql/door.ts';
import { notPersisted } from '../../../src/doors/graphql/persisted-queries.ts';
import { SocketOperations } from '../../../src/doors/graphql/socket-operations.ts';
import { Buffers } from '../../../src/http/memory.ts';

/** Operations whose documents are looked for until `found` is called. */
function lookingForDocuments() {
  let found = () => {};
  let begun = 0;
  const door = {
    persisted: {
      find: (params: GraphQLParams) =>
        new Promise<GraphQLParams>((resolve) => {
          found = () => resolve(params);
        }),
    },
    services: { operations: { begin: () => ++begun } },
  } as unknown as Door;
  const operations = new SocketOperations(door, {}, 'id', new Buffers(1_000), () => {});
  return { operations, found: () => found(), begun: () => begun };
}

test('the id of an operation is taken while its document is looked for', async () => {
  const { operations, found } = lookingForDocuments();
  const begun = operations.begin('one', {});
  expect([operations.has('one'), operations.has('two')]).toEqual([true, false]);
  operations.endAll();
  found();
  await begun;
  expect(operations.has('one')).toBe(false);
});

test('nothing runs for a client who left while the document was looked for', async () => {
  const { operations, found, begun } = lookingForDocuments();
  const outcome = operations.begin('one', {});
  operations.endAll();
  found();
  expect(await outcome).toBe(notPersisted);
  expect([begun(), operations.size]).toEqual([0, 0]);
});
