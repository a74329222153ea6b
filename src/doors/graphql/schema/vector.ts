import type { Builder } from './builder.ts';

export function addVector(builder: Builder): void {
  builder.scalarType('Vector', {
    description:
      'An embedding: a JSON array of numbers (float32). Vectors of the built-in models have unit length, so the dot ' +
      'product of two vectors is their cosine similarity.',
    // Already in the form that the writer of this answer expects.
    serialize: (form) => form,
    parseValue: () => {
      throw new Error('Vector is an output-only type; no argument takes one.');
    },
  });
}
