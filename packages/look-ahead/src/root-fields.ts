import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  GraphQLIncludeDirective,
  type GraphQLObjectType,
  type GraphQLSchema,
  GraphQLSkipDirective,
  getDirectiveValues,
  isAbstractType,
  type OperationDefinitionNode,
  type SelectionNode,
  type SelectionSetNode,
} from 'graphql';
import { type Arguments, argumentReader, type Variables, variableReader } from './coercion.ts';
import { type AnyGather, gatherOf } from './gather.ts';

/** A root field of an operation. */
export interface RootField {
  readonly responseKey: string;
  readonly fieldName: string;
  /** Undefined for a field that cannot be gathered, or that does not exist. */
  readonly gather: AnyGather | undefined;
  /** @throws GraphQLError where an argument is missing or wrong */
  readArguments(variables: Variables): Arguments;
}

/** Operations come again and again; hosts keep their documents. The same document may be run on several schemas. */
const known = new WeakMap<GraphQLSchema, WeakMap<DocumentNode, Map<OperationDefinitionNode, RootFields>>>();

/** The root fields of an operation, ready to be listed for any variables. */
export function rootFieldsOf(
  schema: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode,
): RootFields {
  const documents = remembered(known, schema, () => new WeakMap());
  const operations = remembered(documents, document, () => new Map());
  return remembered(operations, operation, () => new RootFields(schema, document, operation));
}

function remembered<Key extends WeakKey, Value>(
  cache: Pick<Map<Key, Value>, 'get'> & { set(key: Key, value: Value): unknown },
  key: Key,
  make: () => Value,
): Value {
  let value = cache.get(key);
  if (value === undefined) {
    value = make();
    cache.set(key, value);
  }
  return value;
}

export class RootFields {
  /** The variables as they are coerced; undefined where one is missing or wrong. */
  readonly readVariables: (inputs: Variables) => Variables | undefined;
  readonly #schema: GraphQLSchema;
  readonly #rootType: GraphQLObjectType | undefined;
  readonly #selectionSet: SelectionSetNode;
  readonly #fragments: ReadonlyMap<string, FragmentDefinitionNode>;
  readonly #byNode = new Map<FieldNode, RootField>();
  /** Where they do not depend on variables: the same every time. */
  #always: readonly RootField[] | undefined;

  constructor(schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode) {
    this.readVariables = variableReader(schema, operation);
    this.#schema = schema;
    this.#rootType = schema.getRootType(operation.operation) ?? undefined;
    this.#selectionSet = operation.selectionSet;
    this.#fragments = new Map(
      document.definitions.flatMap((node) =>
        node.kind === 'FragmentDefinition' ? [[node.name.value, node] as const] : [],
      ),
    );
  }

  /**
   * The fields in the order in which they run: fragments put in, fields of the same name merged, `@skip` and `@include`
   * obeyed. `__typename` and introspection, which ask for nothing, are left out.
   *
   * @throws GraphQLError where the condition of a directive is wrong
   */
  list(variables: Variables): readonly RootField[] {
    if (this.#always) return this.#always;
    const rootType = this.#rootType;
    if (!rootType) return [];
    const collector = new Collector(this.#schema, rootType, this.#fragments, variables);
    collector.collect(this.#selectionSet);
    const fields: RootField[] = [];
    for (const [responseKey, node] of collector.fields) {
      if (node.name.value.startsWith('__')) continue;
      fields.push(remembered(this.#byNode, node, () => rootField(rootType, responseKey, node)));
    }
    if (!collector.conditional) this.#always = fields;
    return fields;
  }
}

function rootField(rootType: GraphQLObjectType, responseKey: string, node: FieldNode): RootField {
  const fieldName = node.name.value;
  const fields = rootType.getFields();
  const field = Object.hasOwn(fields, fieldName) ? fields[fieldName] : undefined;
  const gather = field && gatherOf(field);
  const readArguments = field && gather ? argumentReader(field, node) : () => ({});
  return { responseKey, fieldName, gather, readArguments };
}

/** CollectFields of the GraphQL specification, for the first node of each response name. */
class Collector {
  readonly fields = new Map<string, FieldNode>();
  /** Whether a variable had a say in what was collected. */
  conditional = false;
  readonly #schema: GraphQLSchema;
  readonly #rootType: GraphQLObjectType;
  readonly #fragments: ReadonlyMap<string, FragmentDefinitionNode>;
  readonly #variables: Variables;
  readonly #visited = new Set<string>();

  constructor(
    schema: GraphQLSchema,
    rootType: GraphQLObjectType,
    fragments: ReadonlyMap<string, FragmentDefinitionNode>,
    variables: Variables,
  ) {
    this.#schema = schema;
    this.#rootType = rootType;
    this.#fragments = fragments;
    this.#variables = variables;
  }

  collect({ selections }: SelectionSetNode): void {
    for (const selection of selections) {
      if (!this.#isIncluded(selection)) continue;
      if (selection.kind === 'Field') {
        const responseKey = (selection.alias ?? selection.name).value;
        if (!this.fields.has(responseKey)) this.fields.set(responseKey, selection);
      } else if (selection.kind === 'InlineFragment') this.#collectFragment(selection);
      else {
        const name = selection.name.value;
        const fragment = this.#visited.has(name) ? undefined : this.#fragments.get(name);
        this.#visited.add(name);
        if (fragment) this.#collectFragment(fragment);
      }
    }
  }

  #collectFragment({
    typeCondition,
    selectionSet,
  }: Pick<FragmentDefinitionNode, 'selectionSet'> &
    Partial<Pick<FragmentDefinitionNode, 'typeCondition'>>): void {
    const name = typeCondition?.name.value;
    if (name !== undefined && name !== this.#rootType.name) {
      const type = this.#schema.getType(name);
      if (!isAbstractType(type) || !this.#schema.isSubType(type, this.#rootType)) return;
    }
    this.collect(selectionSet);
  }

  #isIncluded(node: SelectionNode): boolean {
    if (!node.directives?.length) return true;
    this.conditional ||= node.directives.some(({ arguments: args }) =>
      args?.some(({ value }) => value.kind === 'Variable'),
    );
    const { if: skipped } = getDirectiveValues(GraphQLSkipDirective, node, this.#variables) ?? {};
    if (skipped === true) return false;
    const { if: included } = getDirectiveValues(GraphQLIncludeDirective, node, this.#variables) ?? {};
    return included !== false;
  }
}
