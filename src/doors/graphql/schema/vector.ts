import type { Builder } from './builder.ts';

export function addVector(builder: Builder): void {
  builder.scalarType('Vector', {
    description:
      'An embedding: a JSON array of numbers (float32), of unit length for all built-in models, so that the ' +
      'dot product of two is their cosine similarity.',
    // Already in the form that the writer of this answer expects.
    serialize: (form) => form,
    parseValue: () => {
      throw new Error('A Vector is something to read; no argument takes one.');
    },
  });
}
