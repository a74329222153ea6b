import { LRUCache } from 'lru-cache';
import { vectorToBase64 } from '../core/vectors.ts';
import { longestNumber, writeFloat32 } from './float32-text.ts';

/** What an entry costs beside its bytes and the numbers that it keeps alive. */
const overheadBytes = 200;
const [comma, open, close, quote] = [44, 91, 93, 34];

/**
 * Vectors as the bytes that stand for them in JSON. Kept from the second time that a vector is written, so that a hit
 * is written by copying bytes: what the cache holds comes again as the same object, and what was computed for nobody
 * else, or shortened, never does. Found by the vector's identity, and bounded by bytes.
 */
export class EncodedVectors {
  readonly #numbers: LRUCache<Float32Array, Buffer>;
  readonly #base64: LRUCache<Float32Array, Buffer>;
  readonly #seen = new WeakSet<Float32Array>();
  #scratch = Buffer.alloc(0);

  /** @param maxBytes that both forms may take up together */
  constructor(maxBytes: number) {
    const bounded = () =>
      new LRUCache<Float32Array, Buffer>({
        maxSize: Math.max(1, Math.floor(maxBytes / 2)),
        sizeCalculation: (bytes, vector) => bytes.length + vector.byteLength + overheadBytes,
      });
    this.#numbers = bounded();
    this.#base64 = bounded();
  }

  /** A JSON array of numbers, each as short as float32 allows. */
  numbers(vector: Float32Array): Buffer {
    return this.#numbers.get(vector) ?? this.#remember(this.#numbers, vector, this.#writeNumbers(vector));
  }

  /** A JSON string, quotes included: base64 of little-endian float32. */
  base64(vector: Float32Array): Buffer {
    return this.#base64.get(vector) ?? this.#remember(this.#base64, vector, writeBase64(vector));
  }

  #remember(cache: LRUCache<Float32Array, Buffer>, vector: Float32Array, bytes: Buffer): Buffer {
    if (this.#seen.has(vector)) cache.set(vector, bytes);
    else this.#seen.add(vector);
    return bytes;
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

function writeBase64(vector: Float32Array): Buffer {
  const text = vectorToBase64(vector);
  const bytes = Buffer.allocUnsafeSlow(text.length + 2);
  bytes[0] = quote;
  bytes.write(text, 1, 'latin1');
  bytes[text.length + 1] = quote;
  return bytes;
}
