import { bytesToBase64, toBinary, toInt8 } from '../core/forms.ts';
import { vectorToBase64 } from '../core/vectors.ts';
import { SplicedJson } from './spliced-json.ts';
import type { EncodedVectors, VectorFormName } from './vector-text.ts';

/** What stands in an answer where a vector does: a JSON array of numbers, or base64; and where a text of the request does. */
export type VectorForms = Readonly<
  Record<'numbers' | 'int8Numbers' | 'binaryNumbers', (vector: Float32Array) => unknown>
> &
  Readonly<Record<'base64' | 'int8' | 'binary', (vector: Float32Array) => string>> & {
    text(text: string): string;
  };

/** The values themselves, for answers that somebody else writes. */
export const plainForms: VectorForms = {
  numbers: (vector) => Array.from(vector),
  base64: (vector) => vectorToBase64(vector),
  int8: (vector) => bytesToBase64(toInt8(vector)),
  binary: (vector) => bytesToBase64(toBinary(vector)),
  int8Numbers: (vector) => Array.from(toInt8(vector)),
  binaryNumbers: (vector) => Array.from(toBinary(vector)),
  text: (text) => text,
};

/** Characters of texts that `JSON.stringify` may write; more are written a few in each turn of the event loop. */
const fewCharacters = 524_288;

/** The forms that hardly compress. */
const base64Forms: ReadonlySet<VectorFormName> = new Set(['base64', 'int8', 'binary']);

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
  let characters = 0;
  const marked = (form: VectorFormName) => (vector: Float32Array) =>
    json.mark(vector.length, () => {
      const bytes = encoded.bytesOf(form, vector);
      if (base64Forms.has(form)) base64Bytes += bytes.length;
      return bytes;
    });
  const { value, head } = await compose({
    numbers: marked('numbers'),
    base64: marked('base64'),
    int8: marked('int8'),
    binary: marked('binary'),
    int8Numbers: marked('int8Numbers'),
    binaryNumbers: marked('binaryNumbers'),
    text(text) {
      characters += text.length;
      if (characters <= fewCharacters) return text;
      return json.mark(text.length, () => Buffer.from(JSON.stringify(text)));
    },
  });
  const written = json.write(value, allocate);
  const body = written instanceof Promise ? await written : written;
  return { head, body, base64Bytes };
}
