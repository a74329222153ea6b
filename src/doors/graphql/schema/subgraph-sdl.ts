import {
  type ConstDirectiveNode,
  type GraphQLSchema,
  Kind,
  type ObjectTypeDefinitionNode,
  parse,
  print,
  printSchema,
  visit,
} from 'graphql';

/** The version whose directives are used; any gateway of Federation 2 since then can compose it. */
const link = 'extend schema @link(url: "https://specs.apollo.dev/federation/v2.6", import: ["@key"])';

/** What composition adds to every subgraph, and so is left out of what it composes. */
const federationTypes = new Set(['_Any', '_Entity', '_Service']);
const federationFields = new Set(['_entities', '_service']);

/**
 * A schema as composition reads it: with the keys of its entities.
 * @param keysOf by the name of an entity's type, the fields of each of its keys
 */
export function subgraphSdl(schema: GraphQLSchema, keysOf: ReadonlyMap<string, readonly string[]>): string {
  // graphql-js does not print directives of a schema that was made in code, so they are put into what it prints.
  const document = visit(parse(printSchema(schema), { noLocation: true }), {
    ScalarTypeDefinition: ({ name }) => (federationTypes.has(name.value) ? null : undefined),
    UnionTypeDefinition: ({ name }) => (federationTypes.has(name.value) ? null : undefined),
    FieldDefinition: ({ name }) => (federationFields.has(name.value) ? null : undefined),
    ObjectTypeDefinition: (node): ObjectTypeDefinitionNode | null | undefined => {
      if (federationTypes.has(node.name.value)) return null;
      const keys = keysOf.get(node.name.value);
      return keys && { ...node, directives: keys.map(keyDirective) };
    },
  });
  return `${link}\n\n${print(document)}\n`;
}

function keyDirective(fields: string): ConstDirectiveNode {
  const name = (value: string) => ({ kind: Kind.NAME, value }) as const;
  return {
    kind: Kind.DIRECTIVE,
    name: name('key'),
    arguments: [{ kind: Kind.ARGUMENT, name: name('fields'), value: { kind: Kind.STRING, value: fields } }],
  };
}
