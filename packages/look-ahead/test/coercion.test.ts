import fc from 'fast-check';
import {
  buildSchema,
  type FieldNode,
  getArgumentValues,
  getVariableValues,
  type OperationDefinitionNode,
  parse,
} from 'graphql';
import { expect, test } from 'vitest';
import { argumentsOf } from '../../../src/doors/graphql/look-ahead/field-arguments.ts';
import { variablesOf } from '../../../src/doors/graphql/look-ahead/operation-variables.ts';

const schema = buildSchema(
  'type Query { f(text: String!, texts: [String!], n: Int, flag: Boolean = true, given: String! = "d"): Int }',
);
const field = schema.getQueryType()!.getFields()['f']!;

const values: Record<string, readonly string[]> = {
  text: ['"a"', '$s', '$nothing', '$maybe', 'null', '1'],
  texts: ['["a", "b"]', '["a", $s]', '$list', '"one"', 'null'],
  n: ['1', '$i', 'null', '2.5'],
  flag: ['false', '$b', 'null', '$nothing'],
  given: ['"x"', '$maybe', '$nothing', 'null'],
};
const argument = (name: string) =>
  fc.option(fc.constantFrom(...values[name]!.map((value) => `${name}: ${value}`)), { nil: '' });
const variables = fc.record(
  {
    s: fc.constantFrom('t', null),
    list: fc.constantFrom(['x'], null),
    i: fc.constantFrom(1, null),
    b: fc.boolean(),
    maybe: fc.constantFrom('m', null),
  },
  { requiredKeys: [] },
);

function outcome(work: () => unknown): unknown {
  try {
    return { args: work() };
  } catch (error) {
    return { error: (error as Error).message };
  }
}

test('arguments are what graphql-js makes of them, the first time and every time after', () => {
  fc.assert(
    fc.property(
      fc.tuple(...Object.keys(values).map(argument)),
      fc.array(variables, { minLength: 2, maxLength: 4 }),
      (given, rounds) => {
        const text = given.filter(Boolean).join(', ');
        const document = parse(
          `query($s: String, $list: [String!], $i: Int, $b: Boolean, $maybe: String, $nothing: String) { f${text && `(${text})`} }`,
        );
        const operation = document.definitions[0] as OperationDefinitionNode;
        const node = operation.selectionSet.selections[0] as FieldNode;
        for (const inputs of rounds) {
          const { coerced } = getVariableValues(schema, operation.variableDefinitions ?? [], inputs);
          const expected = outcome(() => getArgumentValues(field, node, coerced));
          expect(outcome(() => argumentsOf(field, node, coerced!))).toEqual(expected);
        }
      },
    ),
    { numRuns: 2_000 },
  );
});

test('variables are what graphql-js makes of them', () => {
  const types = ['String!', '[String!]!', 'Boolean!', 'String', 'Int!', 'String! = "d"', '[String]'];
  const value = fc.oneof(
    fc.string(),
    fc.boolean(),
    fc.constant(null),
    fc.integer(),
    fc.array(fc.oneof(fc.string(), fc.constant(null))),
  );
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom(...types), { maxLength: 3 }),
      fc.array(fc.dictionary(fc.constantFrom('v0', 'v1', 'v2'), value), { maxLength: 4 }),
      (given, rounds) => {
        const declared = given.map((type, i) => `$v${i}: ${type}`).join(' ');
        const operation = parse(`query${declared && `(${declared})`} { f }`)
          .definitions[0] as OperationDefinitionNode;
        for (const inputs of rounds) {
          const { coerced } = getVariableValues(schema, operation.variableDefinitions ?? [], inputs);
          const found = variablesOf(schema, operation, inputs);
          // What is not declared cannot be used, and may be there.
          const used =
            found &&
            Object.fromEntries(
              Object.entries(found).filter(([name]) => Number(name.slice(1)) < given.length),
            );
          expect(used).toEqual(coerced && { ...coerced });
        }
      },
    ),
    { numRuns: 2_000 },
  );
});
