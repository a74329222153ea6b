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
import { argumentReader, variableReader } from '../src/coercion.ts';

const schema = buildSchema(
  `type Query {
    f(text: String!, texts: [String!], n: Int, flag: Boolean = true, given: String! = "d", constructor: String): Int
  }`,
);
const field = schema.getQueryType()!.getFields()['f']!;

const values: Record<string, readonly string[]> = {
  text: ['"a"', '$s', '$nothing', '$maybe', 'null', '1'],
  texts: ['["a", "b"]', '["a", $s]', '$list', '"one"', 'null'],
  n: ['1', '$i', 'null', '2.5'],
  flag: ['false', '$b', 'null', '$nothing'],
  given: ['"x"', '$maybe', '$nothing', 'null', '$toString'],
  constructor: ['"c"', '$valueOf', '$__proto__', '$toString', 'null'],
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
    toString: fc.constantFrom('v', null),
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
          `query(
            $s: String, $list: [String!], $i: Int, $b: Boolean, $maybe: String, $nothing: String
            $toString: String, $valueOf: String, $__proto__: String
          ) { f${text && `(${text})`} }`,
        );
        const operation = document.definitions[0] as OperationDefinitionNode;
        const node = operation.selectionSet.selections[0] as FieldNode;
        const read = argumentReader(field, node);
        for (const inputs of rounds) {
          const { coerced } = getVariableValues(schema, operation.variableDefinitions ?? [], inputs);
          const expected = outcome(() => getArgumentValues(field, node, coerced));
          expect(outcome(() => read(coerced!))).toEqual(expected);
        }
      },
    ),
    { numRuns: 2_000 },
  );
});

test('variables are what graphql-js makes of them', () => {
  const types = ['String!', '[String!]!', 'Boolean!', 'String', 'Int!', 'String! = "d"', '[String]'];
  const names = ['v0', 'constructor', '__proto__'];
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
      fc.array(fc.array(fc.tuple(fc.constantFrom(...names), value), { maxLength: 3 }), { maxLength: 4 }),
      (given, rounds) => {
        const declared = given.map((type, i) => `$${names[i]}: ${type}`).join(' ');
        const operation = parse(`query${declared && `(${declared})`} { f }`)
          .definitions[0] as OperationDefinitionNode;
        const read = variableReader(schema, operation);
        for (const entries of rounds) {
          // As JSON.parse does, __proto__ becomes an own property.
          const inputs = Object.fromEntries(entries);
          const { coerced } = getVariableValues(schema, operation.variableDefinitions ?? [], inputs);
          const found = read(inputs);
          expect(found === undefined).toBe(coerced === undefined);
          if (!found || !coerced) continue;
          for (const name of names.slice(0, given.length)) {
            expect(Object.hasOwn(found, name)).toBe(Object.hasOwn(coerced, name));
            if (Object.hasOwn(coerced, name)) expect(found[name]).toEqual(coerced[name]);
          }
        }
      },
    ),
    { numRuns: 2_000 },
  );
});
