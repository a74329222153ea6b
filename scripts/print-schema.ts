import { writeFile } from 'node:fs/promises';
import { lexicographicSortSchema, printSchema } from 'graphql';
import { createSchema } from '../src/doors/graphql/schema/schema.ts';

// Prints the schema where people and tools look for it; CI fails when what is there is not this.
await writeFile(
  new URL('../schema.graphql', import.meta.url),
  `${printSchema(lexicographicSortSchema(createSchema()))}\n`,
);
