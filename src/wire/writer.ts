import { vectorToBase64 } from '../core/vectors.ts';
import { SplicedJson } from './spliced-json.ts';
import type { EncodedVectors } from './vector-text.ts';

/** What stands in an answer where a vector does. */
export interface VectorForms {
  /** For a JSON array of numbers. */
  numbers(vector: Float32Array): unknown;
  /** For base64 of little-endian float32. */
  base64(vector: Float32Array): string;
}

/** The values themselves, for answers that somebody else writes. */
export const plainForms: VectorForms = {
  numbers: (vector) => Array.from(vector),
  base64: (vector) => vectorToBase64(vector),
};

/** What becomes JSON, with the forms that were lent for it, and what else is known of the answer. */
export interface Composed<Head> {
  value: unknown;
  head: Head;
}

/**
 * Writes an answer as JSON, with vectors spliced in as bytes. The forms are lent to `compose` alone, so that what was
 * put in for a vector is written out by the same hands.
 * @param encoded bytes of vectors that were written before
 * @param allocate memory for so many bytes
 * @param compose makes the value
 * @returns the answer, and how many bytes of it are vectors in base64
 */
export async function writeAnswer<Head>(
  encoded: EncodedVectors,
  allocate: (bytes: number) => Buffer,
  compose: (vectors: VectorForms) => Composed<Head> | Promise<Composed<Head>>,
): Promise<{ head: Head; body: string | Buffer; base64Bytes: number }> {
  const json = new SplicedJson();
  let base64Bytes = 0;
  const { value, head } = await compose({
    numbers: (vector) => json.mark(encoded.numbers(vector)),
    base64: (vector) => {
      const bytes = encoded.base64(vector);
      base64Bytes += bytes.length;
      return json.mark(bytes);
    },
  });
  return { head, body: json.write(value, allocate), base64Bytes };
}
