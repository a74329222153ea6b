import { GraphQLError, type GraphQLSchema, Kind, OperationTypeNode } from 'graphql';
import type { Plugin } from 'graphql-yoga';

const kinds = Object.values(OperationTypeNode);

/** Says which kind of operation a root field belongs to, where it is asked for in another kind. */
export function useRootFieldAdvice(): Plugin {
  return {
    onValidate: ({ params: { schema } }) => {
      return ({ valid, result, setResult }) => {
        if (!valid) setResult(result.map((error) => withAdvice(error, schema as GraphQLSchema)));
      };
    },
  };
}

function withAdvice(error: GraphQLError, schema: GraphQLSchema): GraphQLError {
  const [node] = error.nodes ?? [];
  if (node?.kind !== Kind.FIELD || !error.message.startsWith('Cannot query field')) return error;
  const name = node.name.value;
  const asked = kinds.find((kind) => error.message.includes(`on type "${schema.getRootType(kind)?.name}"`));
  const kind = kinds.find((one) => Object.hasOwn(schema.getRootType(one)?.getFields() ?? {}, name));
  if (!asked || !kind) return error;

  return new GraphQLError(
    `Cannot query field "${name}" on type "${schema.getRootType(asked)!.name}": ${name} is a ${kind}; write ${kind} { ${name} … }.`,
    { nodes: error.nodes ?? null },
  );
}
