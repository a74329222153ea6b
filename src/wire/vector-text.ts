import { LRUCache } from 'lru-cache';
import { bytesToBase64, toBinary, toInt8 } from '../core/forms.ts';
import { vectorToBase64 } from '../core/vectors.ts';
import { longestNumber, writeFloat32 } from './float32-text.ts';

/** The ways in which a vector can stand in an answer. */
export const vectorFormNames = [
  'numbers',
  'base64',
  'int8',
  'binary',
  'int8Numbers',
  'binaryNumbers',
] as const;

export type VectorFormName = (typeof vectorFormNames)[number];

/** What an entry costs beside its bytes and the numbers that it keeps alive. */
const overheadBytes = 200;
const [comma, open, close, quote] = [44, 91, 93, 34];

/**
 * Vectors as the bytes that stand for them in JSON. Kept from the second time that a vector is written, so that a hit
 * is written by copying bytes: what the cache holds comes again as the same object, and what was computed for nobody
 * else, or shortened, never does. Found by the vector's identity, and bounded by bytes.
 */
export class EncodedVectors {
  readonly #kept: Readonly<Record<VectorFormName, LRUCache<Float32Array, Buffer>>>;
  readonly #seen = new WeakSet<Float32Array>();
  #scratch = Buffer.alloc(0);

  /** @param maxBytes that all forms may take up together */
  constructor(maxBytes: number) {
    // Most callers use one of the large forms; the small ones share what an eighth is.
    const bounded = (share: number) =>
      new LRUCache<Float32Array, Buffer>({
        maxSize: Math.max(1, Math.floor(maxBytes * share)),
        sizeCalculation: (bytes, vector) => bytes.length + vector.byteLength + overheadBytes,
      });
    const small = bounded(1 / 16);
    const smallest = bounded(1 / 16);
    this.#kept = {
      numbers: bounded(7 / 16),
      base64: bounded(5 / 16),
      int8: small,
      binary: smallest,
      int8Numbers: bounded(1 / 16),
      binaryNumbers: bounded(1 / 16),
    };
  }

  /** The JSON of a vector: an array of numbers, or a string of base64, quotes included. */
  bytesOf(form: VectorFormName, vector: Float32Array): Buffer {
    const kept = this.#kept[form];
    const known = kept.get(vector);
    if (known) return known;
    const bytes = this.#write(form, vector);
    if (this.#seen.has(vector)) kept.set(vector, bytes);
    else this.#seen.add(vector);
    return bytes;
  }

  #write(form: VectorFormName, vector: Float32Array): Buffer {
    switch (form) {
      case 'numbers':
        return this.#writeNumbers(vector);
      case 'base64':
        return quoted(vectorToBase64(vector));
      case 'int8':
        return quoted(bytesToBase64(toInt8(vector)));
      case 'binary':
        return quoted(bytesToBase64(toBinary(vector)));
      case 'int8Numbers':
        return Buffer.from(`[${toInt8(vector).join(',')}]`, 'latin1');
      case 'binaryNumbers':
        return Buffer.from(`[${toBinary(vector).join(',')}]`, 'latin1');
    }
  }

  #writeNumbers(vector: Float32Array): Buffer {
    const longest = vector.length * (longestNumber + 1) + 2;
    if (this.#scratch.length < longest) this.#scratch = Buffer.allocUnsafeSlow(longest);
    const out = this.#scratch;
    let end = 0;
    out[end++] = open;
    for (let i = 0; i < vector.length; i++) {
      if (i > 0) out[end++] = comma;
      end = writeFloat32(vector[i]!, out, end);
    }
    out[end++] = close;
    const bytes = Buffer.allocUnsafeSlow(end);
    out.copy(bytes, 0, 0, end);
    return bytes;
  }
}

function quoted(text: string): Buffer {
  const bytes = Buffer.allocUnsafeSlow(text.length + 2);
  bytes[0] = quote;
  bytes.write(text, 1, 'latin1');
  bytes[text.length + 1] = quote;
  return bytes;
}
