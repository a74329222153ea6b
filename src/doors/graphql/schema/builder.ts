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
  builder.queryType({ description: 'What can be asked without computing anything.' });
  builder.mutationType({
    description:
      'Computing embeddings. These are mutations because they may cost money. Ask for as many fields as you ' +
      'like in one operation: the server gathers them into the fewest possible provider calls.',
  });
  return builder;
}
