import {
  type FieldNode,
  type GraphQLField,
  getArgumentValues,
  isNonNullType,
  type ValueNode,
  valueFromAST,
} from 'graphql';

type Variables = Readonly<Record<string, unknown>>;
type Field = GraphQLField<unknown, unknown>;

/** Where the value of an argument comes from: the document itself, or a variable. */
type Source =
  | { name: string; value: unknown }
  | { name: string; variable: string; otherwise: unknown; required: boolean };

const known = new WeakMap<FieldNode, readonly Source[] | 'unusual'>();

/**
 * The arguments of a field, as graphql-js coerces them. What of that does not depend on variables is worked out once for
 * each place in a document; documents are kept, so that is once for an operation that comes again and again.
 * @throws GraphQLError where an argument is missing or wrong
 */
export function argumentsOf(field: Field, node: FieldNode, variables: Variables): Record<string, unknown> {
  let sources = known.get(node);
  if (!sources) {
    sources = sourcesOf(field, node);
    known.set(node, sources);
  }
  // What is unusual or wrong is graphql-js' own, with the error that it has for it.
  return (sources !== 'unusual' && filled(sources, variables)) || getArgumentValues(field, node, variables);
}

/** Undefined where a variable is missing or null and must not be. */
function filled(sources: readonly Source[], variables: Variables): Record<string, unknown> | undefined {
  const args: Record<string, unknown> = {};
  for (const source of sources) {
    let value: unknown;
    if ('variable' in source) {
      value = variables[source.variable];
      if (value === undefined) value = source.otherwise;
      if (source.required && (value === undefined || value === null)) return undefined;
    } else value = source.value;
    if (value !== undefined) args[source.name] = value;
  }
  return args;
}

function sourcesOf(field: Field, node: FieldNode): readonly Source[] | 'unusual' {
  const sources: Source[] = [];
  for (const { name, type, defaultValue } of field.args) {
    const given = node.arguments?.find((argument) => argument.name.value === name)?.value;
    const required = isNonNullType(type);
    if (given?.kind === 'Variable') {
      sources.push({ name, variable: given.name.value, otherwise: defaultValue, required });
      continue;
    }
    if (given && hasVariable(given)) return 'unusual';
    const value: unknown = given ? valueFromAST(given, type) : defaultValue;
    if (value === undefined && (given || required)) return 'unusual';
    sources.push({ name, value });
  }
  return sources;
}

function hasVariable(value: ValueNode): boolean {
  if (value.kind === 'Variable') return true;
  if (value.kind === 'ListValue') return value.values.some(hasVariable);
  return value.kind === 'ObjectValue' && value.fields.some((field) => hasVariable(field.value));
}
