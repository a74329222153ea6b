import { vectorToBase64 } from '../core/vectors.ts';
import { SplicedJson } from './spliced-json.ts';
import type { EncodedVectors } from './vector-text.ts';

/** What a resolver puts into an answer where a vector stands. */
export interface VectorForms {
  /** For a JSON array of numbers. @param keep whether the same vector will be asked for again */
  numbers(vector: Float32Array, keep: boolean): unknown;
  /** For base64 of little-endian float32. */
  base64(vector: Float32Array, keep: boolean): string;
}

/** The values themselves, for answers that somebody else writes. */
export const plainForms: VectorForms = {
  numbers: (vector) => Array.from(vector),
  base64: (vector) => vectorToBase64(vector),
};

export interface SplicedForms extends VectorForms {
  /** Writes the answer that the forms were put into. */
  write(value: unknown, allocate: (bytes: number) => Buffer): string | Buffer;
}

/** Marks, in whose places encoded bytes are copied when the answer is written. One for each answer. */
export function splicedForms(encoded: EncodedVectors): SplicedForms {
  const json = new SplicedJson();
  return {
    numbers: (vector, keep) => json.mark(encoded.numbers(vector, keep)),
    base64: (vector, keep) => json.mark(encoded.base64(vector, keep)),
    write: (value, allocate) => json.write(value, allocate),
  };
}
