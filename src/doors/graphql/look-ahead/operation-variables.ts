import { type GraphQLSchema, getVariableValues, type OperationDefinitionNode, type TypeNode } from 'graphql';

type Variables = Readonly<Record<string, unknown>>;
type Check = (value: unknown) => boolean;

/** Checks for variables whose values graphql-js takes over as they are; `unusual` for operations with any other. */
const checksOf = new WeakMap<
  OperationDefinitionNode,
  ReadonlyArray<readonly [name: string, check: Check]> | 'unusual'
>();

/**
 * The variables of an operation, as graphql-js coerces them; undefined where they are wrong. Texts and lists of texts, of
 * which there may be thousands, are what they are and are only looked at.
 */
export function variablesOf(
  schema: GraphQLSchema,
  operation: OperationDefinitionNode,
  inputs: Variables,
): Variables | undefined {
  let checks = checksOf.get(operation);
  if (!checks) {
    checks = plainChecks(operation);
    checksOf.set(operation, checks);
  }
  if (checks !== 'unusual' && checks.every(([name, check]) => check(inputs[name]))) return inputs;
  return getVariableValues(schema, operation.variableDefinitions ?? [], inputs).coerced;
}

function plainChecks({ variableDefinitions = [] }: OperationDefinitionNode) {
  const checks: Array<readonly [string, Check]> = [];
  for (const { variable, type, defaultValue } of variableDefinitions) {
    const check = plainTypes[spelled(type)];
    if (!check || defaultValue) return 'unusual';
    checks.push([variable.name.value, check]);
  }
  return checks;
}

const isText: Check = (value) => typeof value === 'string';
const plainTypes: Readonly<Record<string, Check>> = {
  'String!': isText,
  '[String!]!': (value) => Array.isArray(value) && value.every(isText),
  'Boolean!': (value) => typeof value === 'boolean',
};

function spelled(type: TypeNode): string {
  if (type.kind === 'NonNullType') return `${spelled(type.type)}!`;
  return type.kind === 'ListType' ? `[${spelled(type.type)}]` : type.name.value;
}
