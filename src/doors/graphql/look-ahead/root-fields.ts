import { collectFields } from '@graphql-tools/utils';
import type { DocumentNode, FieldNode, GraphQLField, GraphQLSchema, OperationDefinitionNode } from 'graphql';

export interface RootField {
  responseKey: string;
  /** The first of those that are merged under this name. */
  node: FieldNode;
  /** Undefined where there is no such field. */
  field: GraphQLField<unknown, unknown> | undefined;
}

/** Of operations whose root fields do not depend on variables; they are the same every time. */
const unconditional = new WeakMap<OperationDefinitionNode, readonly RootField[]>();

/** The root fields of an operation in the order in which they run, fragments put in, `@include` and `@skip` obeyed. */
export function rootFieldsOf(
  schema: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode,
  variables: Readonly<Record<string, unknown>>,
): readonly RootField[] {
  const known = unconditional.get(operation);
  if (known) return known;
  const rootType = schema.getRootType(operation.operation);
  if (!rootType) return [];
  const fragments = Object.fromEntries(
    document.definitions.flatMap((node) =>
      node.kind === 'FragmentDefinition' ? [[node.name.value, node]] : [],
    ),
  );
  const { fields } = collectFields(schema, fragments, variables, rootType, operation.selectionSet);
  const definitions = rootType.getFields();
  const rootFields: RootField[] = [];
  for (const [responseKey, nodes] of fields) {
    const [node] = nodes as FieldNode[];
    if (!node || node.name.value.startsWith('__')) continue;
    rootFields.push({ responseKey, node, field: definitions[node.name.value] });
  }
  // Without an @ anywhere there is no directive.
  if (document.loc && !document.loc.source.body.includes('@')) unconditional.set(operation, rootFields);
  return rootFields;
}
