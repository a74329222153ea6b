import LookAheadPlugin from '@embedql/look-ahead/pothos';
import SchemaBuilder from '@pothos/core';
import type { Context } from '../context.ts';

export interface SchemaTypes {
  Context: Context;
  DefaultFieldNullability: false;
  Scalars: {
    Vector: { Input: never; Output: unknown };
    _Any: { Input: unknown; Output: unknown };
  };
}

/** Every type file gets this builder and adds what it is about. */
export type Builder = PothosSchemaTypes.SchemaBuilder<PothosSchemaTypes.ExtendDefaultTypes<SchemaTypes>>;

/** The largest `Int` of GraphQL. */
const largestInt = 2 ** 31 - 1;

/** A count as an `Int`: one that is larger than that can say is given as the largest, never as an error. */
export function toInt(count: number): number {
  return Math.min(Math.round(count), largestInt);
}

/** An object type whose resolvers start from a `Source`. */
export type ObjectRef<Source> = PothosSchemaTypes.ObjectRef<
  PothosSchemaTypes.ExtendDefaultTypes<SchemaTypes>,
  Source
>;

export function createBuilder(): Builder {
  const builder = new SchemaBuilder<SchemaTypes>({
    plugins: [LookAheadPlugin],
    defaultFieldNullability: false,
  });
  builder.queryType({ description: 'Queries. Only `similarity` and `nearest` compute embeddings.' });
  builder.mutationType({
    description:
      'Embeds texts. These fields are mutations because they may cost money. The server combines all fields of ' +
      'an operation into the fewest possible provider calls.',
  });
  return builder;
}
