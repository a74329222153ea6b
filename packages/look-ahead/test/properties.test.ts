import fc from 'fast-check';
import { execute, parse } from 'graphql';
import { expect, test } from 'vitest';
import { createSchema, Library, startLibrary } from './support/library.ts';
import { isRun, placement, writeMutation } from './support/random-documents.ts';

const key = fc.oneof(
  { weight: 10, arbitrary: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f') },
  { weight: 1, arbitrary: fc.constantFrom('lost', ' ') },
);

const field = fc.tuple(
  fc.record({
    kind: fc.oneof(
      { weight: 8, arbitrary: fc.constant('book' as const) },
      { weight: 3, arbitrary: fc.constant('books' as const) },
      { weight: 2, arbitrary: fc.constant('printAnew' as const) },
      { weight: 1, arbitrary: fc.constant('__typename' as const) },
    ),
    keys: fc.array(key, { minLength: 1, maxLength: 4 }),
    asVariable: fc.boolean(),
  }),
  placement,
);

/** Batches that the fields may take: one for each run in which something is asked for. */
function batchesOf(running: ReadonlyArray<{ kind: string; keys: string[] }>): string[][] {
  const runs: Array<Set<string>> = [new Set()];
  for (const { kind, keys } of running) {
    if (kind === 'printAnew') runs.push(new Set());
    if (kind === 'books') for (const key of keys) runs.at(-1)!.add(key);
    if (kind === 'book' && keys[0]!.trim()) runs.at(-1)!.add(keys[0]!);
  }
  return runs.filter(({ size }) => size > 0).map((keys) => [...keys]);
}

test('any mutation gives what serial execution gives, in one batch for each run', async () => {
  const schema = createSchema();
  const library = startLibrary();
  await fc.assert(
    fc.asyncProperty(fc.array(field, { minLength: 1, maxLength: 20 }), async (fields) => {
      const variables: Record<string, unknown> = { yes: true };
      const declarations: string[] = [];
      const written = fields.map(([{ kind, keys, asVariable }, place], i) => {
        const [name, type, value] =
          kind === 'books' ? ['keys', '[String!]!', keys] : ['key', 'String!', keys[0]];
        const takesKeys = kind === 'book' || kind === 'books';
        if (takesKeys && asVariable) {
          variables[`v${i}`] = value;
          declarations.push(`$v${i}: ${type}`);
        }
        const argument = asVariable ? `$v${i}` : JSON.stringify(value);
        return { ...place, call: takesKeys ? `${kind}(${name}: ${argument})` : kind, selection: '' };
      });
      const query = writeMutation(written, declarations);
      const { batches, ...answer } = await library.ask(query, variables);
      const expected = await execute({
        schema,
        document: parse(query),
        variableValues: variables,
        contextValue: { library: new Library() },
      });
      expect(answer).toEqual(JSON.parse(JSON.stringify(expected)));
      const running = fields.filter(([, place]) => isRun(place)).map(([content]) => content);
      expect(batches).toEqual(batchesOf(running));
    }),
    { numRuns: Number(process.env['PROPERTY_RUNS'] ?? 300) },
  );
});
