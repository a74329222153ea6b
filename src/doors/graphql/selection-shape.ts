import {
  type ExecutionArgs,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLNamedType,
  type GraphQLOutputType,
  type GraphQLSchema,
  getNamedType,
  getNullableType,
  isCompositeType,
  isInterfaceType,
  isListType,
  isObjectType,
  type SelectionSetNode,
} from 'graphql';

/** Bytes of most values: a number, a name, a code. */
const plainBytes = 48;

/** Fields whose values are larger than most. */
const knownBytes: Readonly<Record<string, number>> = {
  message: 300,
  description: 300,
  unavailableReason: 300,
  sdl: 50_000,
};

/** Entries of lists that do not depend on what was asked for: at the most, or as many as anybody looks at. */
const knownItems = new Map([
  ['history', 1_440],
  ['spend', 2_000],
]);

/** What a selection puts into an answer. */
export interface Portion {
  values: number;
  bytes: number;
  numbers: number;
  base64: number;
  texts: number;
}

/** What it puts there once, and for each entry of a list. */
interface Shape {
  readonly once: Portion;
  readonly each: Portion;
}

const emptyPortion = (): Portion => ({ values: 0, bytes: 0, numbers: 0, base64: 0, texts: 0 });

function add(to: Portion, from: Portion, times = 1): void {
  to.values += from.values * times;
  to.bytes += from.bytes * times;
  to.numbers += from.numbers * times;
  to.base64 += from.base64 * times;
  to.texts += from.texts * times;
}

interface Field {
  readonly responseKey: string;
  readonly name: string;
  readonly type: GraphQLOutputType | undefined;
  readonly isIntrospection: boolean;
  readonly nodes: FieldNode[];
}

const readers = new WeakMap<object, WeakMap<GraphQLSchema, SelectionReader>>();

/** Documents come again and again, and so do their shapes. */
export function readerOf(schema: GraphQLSchema, document: ExecutionArgs['document']): SelectionReader {
  let bySchema = readers.get(document);
  if (!bySchema) {
    bySchema = new WeakMap();
    readers.set(document, bySchema);
  }
  let reader = bySchema.get(schema);
  if (!reader) {
    reader = new SelectionReader(schema, document);
    bySchema.set(schema, reader);
  }
  return reader;
}

/** Reads selections as the executor does: fragments put in, fields of the same name merged. */
export class SelectionReader {
  readonly #schema: GraphQLSchema;
  readonly #fragments: ReadonlyMap<string, FragmentDefinitionNode>;
  readonly #fields = new WeakMap<SelectionSetNode, readonly Field[]>();
  readonly #shapes = new WeakMap<FieldNode, Shape>();
  #introspectionItems: ReadonlyMap<string, number> | undefined;

  constructor(schema: GraphQLSchema, document: ExecutionArgs['document']) {
    this.#schema = schema;
    this.#fragments = new Map(
      document.definitions.flatMap((node) =>
        node.kind === 'FragmentDefinition' ? [[node.name.value, node] as const] : [],
      ),
    );
  }

  fieldsOf(selectionSets: readonly SelectionSetNode[], type: GraphQLNamedType): readonly Field[] {
    const [only] = selectionSets;
    const known = selectionSets.length === 1 ? this.#fields.get(only!) : undefined;
    if (known) return known;
    const fields = new Map<string, Field>();
    for (const selectionSet of selectionSets) this.#collect(selectionSet, type, fields, new Set());
    const list = [...fields.values()];
    if (selectionSets.length === 1) this.#fields.set(only!, list);
    return list;
  }

  shapeOfField(field: Field): Shape {
    const [node] = field.nodes;
    const known = field.nodes.length === 1 ? this.#shapes.get(node!) : undefined;
    if (known) return known;
    const shape = this.#readShape(field);
    if (field.nodes.length === 1) this.#shapes.set(node!, shape);
    return shape;
  }

  #readShape({ responseKey, name, type, isIntrospection, nodes }: Field): Shape {
    const once = emptyPortion();
    const each = emptyPortion();
    once.values = 1;
    once.bytes = responseKey.length + 4;
    const named = type && getNamedType(type);
    if (!named) once.bytes += plainBytes;
    else {
      const isList = isListType(getNullableType(type));
      const content = isCompositeType(named)
        ? this.#shapeOfObject(nodes, named)
        : { once: leaf(name, named), each: emptyPortion() };
      if (!isList) {
        add(once, content.once);
        add(each, content.each);
      } else if (isIntrospection || knownItems.has(name)) {
        const items = isIntrospection ? this.#itemsOf(name) : knownItems.get(name)!;
        add(once, content.once, items);
        add(once, content.each, items);
      } else {
        add(each, content.once);
        add(each, content.each);
      }
    }
    return { once, each };
  }

  #shapeOfObject(nodes: readonly FieldNode[], type: GraphQLNamedType): Shape {
    const once = emptyPortion();
    const each = emptyPortion();
    once.bytes = 3;
    const selectionSets = nodes.flatMap(({ selectionSet }) => (selectionSet ? [selectionSet] : []));
    for (const field of this.fieldsOf(selectionSets, type)) {
      const shape = this.shapeOfField(field);
      add(once, shape.once);
      add(each, shape.each);
    }
    return { once, each };
  }

  #collect(
    { selections }: SelectionSetNode,
    type: GraphQLNamedType,
    fields: Map<string, Field>,
    spread: Set<string>,
  ): void {
    for (const node of selections) {
      if (node.kind === 'Field') {
        const responseKey = (node.alias ?? node.name).value;
        // Types of a union may each have a field of that name; all of them count.
        const key = `${type.name} ${responseKey}`;
        const known = fields.get(key);
        if (known) known.nodes.push(node);
        else fields.set(key, this.#field(node, responseKey, type));
      } else if (node.kind === 'InlineFragment') {
        this.#collect(
          node.selectionSet,
          this.#narrowed(node.typeCondition?.name.value, type),
          fields,
          spread,
        );
      } else if (!spread.has(`${type.name} ${node.name.value}`)) {
        spread.add(`${type.name} ${node.name.value}`);
        const fragment = this.#fragments.get(node.name.value);
        if (fragment)
          this.#collect(
            fragment.selectionSet,
            this.#narrowed(fragment.typeCondition.name.value, type),
            fields,
            spread,
          );
      }
    }
  }

  #field(node: FieldNode, responseKey: string, type: GraphQLNamedType): Field {
    const name = node.name.value;
    const definitions = isObjectType(type) || isInterfaceType(type) ? type.getFields() : {};
    const own = Object.hasOwn(definitions, name) ? definitions[name]?.type : undefined;
    const isIntrospection = name.startsWith('__') || type.name.startsWith('__');
    return { responseKey, name, type: own ?? this.#metaType(name), isIntrospection, nodes: [node] };
  }

  #metaType(name: string): GraphQLOutputType | undefined {
    const named = name === '__schema' ? '__Schema' : name === '__type' ? '__Type' : undefined;
    return named && (this.#schema.getType(named) as GraphQLOutputType | undefined);
  }

  #narrowed(name: string | undefined, type: GraphQLNamedType): GraphQLNamedType {
    return (name !== undefined && this.#schema.getType(name)) || type;
  }

  /** How many entries a list of the introspection has, on average. */
  #itemsOf(name: string): number {
    this.#introspectionItems ??= countIntrospection(this.#schema);
    return this.#introspectionItems.get(name) ?? 2;
  }
}

function leaf(name: string, type: GraphQLNamedType): Portion {
  const portion = emptyPortion();
  portion.values = 1;
  if (type.name === 'Vector') portion.numbers = 1;
  else if (/(?:Base64|Int8|Binary)$/.test(name)) portion.base64 = 1;
  else {
    portion.bytes = (Object.hasOwn(knownBytes, name) ? knownBytes[name] : undefined) ?? plainBytes;
    if (name === 'text') portion.texts = 1;
  }
  return portion;
}

function countIntrospection(schema: GraphQLSchema): ReadonlyMap<string, number> {
  const types = Object.values(schema.getTypeMap());
  let fields = 0;
  let args = 0;
  for (const type of types) {
    if (!isObjectType(type) && !isInterfaceType(type)) continue;
    for (const field of Object.values(type.getFields())) {
      fields += 1;
      args += field.args.length;
    }
  }
  return new Map([
    ['types', types.length],
    ['fields', Math.ceil(fields / types.length)],
    ['args', Math.ceil(args / Math.max(1, fields))],
    ['directives', schema.getDirectives().length],
    ['enumValues', 2],
    ['locations', 4],
  ]);
}
