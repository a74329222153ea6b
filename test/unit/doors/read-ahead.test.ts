import { buildSchema, NoSchemaIntrospectionCustomRule, parse } from 'graphql';
import { expect, test, vi } from 'vitest';

const { turns } = vi.hoisted(() => ({ turns: [] as string[] }));
vi.mock('../../../src/core/turns.ts', () => ({
  ownTurn: async () => {
    turns.push('turn');
  },
}));
vi.mock('graphql', async (original) => {
  const graphql = await original<typeof import('graphql')>();
  return {
    ...graphql,
    validate: (...args: Parameters<typeof graphql.validate>) => {
      turns.push(`validate by ${args[2]!.length} rules`);
      return graphql.validate(...args);
    },
  };
});
const { ReadAhead } = await import('../../../src/doors/graphql/read-ahead.ts');
const { specifiedRules } = await import('graphql');

const schema = buildSchema('type Query { a(s: String): Int }');
const reader = (rules = [] as (typeof NoSchemaIntrospectionCustomRule)[]) =>
  new ReadAhead(
    schema,
    (source) => {
      turns.push('parse');
      return parse(source, { noLocation: true });
    },
    rules,
  );
const large = (query: string) => `${query} #${'x'.repeat(40_000)}`;

test('a large document is parsed in a turn of its own, and by every rule validated in three more', async () => {
  turns.length = 0;
  const params = { query: large('{ a }') };
  const ahead = reader([NoSchemaIntrospectionCustomRule]);
  await ahead.begin(params);
  expect(turns.filter((_, i) => i % 2 === 0)).toEqual(['turn', 'turn', 'turn', 'turn']);
  expect(turns[1]).toBe('parse');
  const rules = turns.flatMap((one) => Number(/by (\d+)/.exec(one)?.[1] ?? []) || []);
  expect(rules).toHaveLength(3);
  expect(rules.reduce((sum, one) => sum + one)).toBe(specifiedRules.length + 1);
  expect(ahead.of(params)).toMatchObject({ document: { kind: 'Document' }, invalid: [] });
  // Read once.
  expect(ahead.begin(params)).toBeUndefined();
});

test('a small one waits for nothing', () => {
  turns.length = 0;
  for (const query of ['{ a }', undefined, 5 as unknown as string])
    expect(reader().begin(query === undefined ? {} : { query })).toBeUndefined();
  expect(turns).toEqual([]);
});

test.each([
  ['query($v: String) { a(s: $w) }', 'Variable "$w" is not defined.'],
  ['{ a: a(s: "x") a: a(s: "y") }', 'conflict'],
  ['{ b }', 'Cannot query field "b"'],
  ['{ __schema { description } }', 'introspection'],
])('what is wrong with %s is found', async (query, message) => {
  const params = { query: large(query) };
  const ahead = reader([NoSchemaIntrospectionCustomRule]);
  await ahead.begin(params);
  expect(ahead.of(params)!.invalid[0]!.message).toContain(message);
});

test('what cannot be parsed is told to whoever asks for it', async () => {
  const params = { query: large('{ a') };
  const ahead = reader();
  await ahead.begin(params);
  expect(String(ahead.of(params)!.error)).toContain('Syntax Error');
});
