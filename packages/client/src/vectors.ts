import { binaryFromBase64 } from './runtime.ts';

/**
 * A vector out of `embeddingBase64`: base64 of little-endian float32, 4 · dimension bytes.
 *
 * @throws RangeError where the bytes are no whole number of float32
 * @example
 * ```ts
 * const vector = decodeBase64(data.embed.embeddingBase64);
 * ```
 */
export function decodeBase64(base64: string): Float32Array {
  const bytes = bytesOf(base64);
  if (bytes.length % 4 !== 0) throw new RangeError(`${bytes.length} bytes are not whole float32 numbers`);
  const view = new DataView(bytes.buffer);
  const vector = new Float32Array(bytes.length / 4);
  for (let i = 0; i < vector.length; i++) vector[i] = view.getFloat32(4 * i, true);
  return vector;
}

/**
 * A vector out of `embeddingInt8`: base64 of dimension signed bytes, the largest of which is 127 or -127.
 *
 * @example
 * ```ts
 * const similarity = cosine(decodeInt8(data.a.embeddingInt8), decodeInt8(data.b.embeddingInt8));
 * ```
 */
export function decodeInt8(base64: string): Int8Array {
  return new Int8Array(bytesOf(base64).buffer);
}

/**
 * A vector out of `embeddingBinary`: base64 of ceil(dimension / 8) bytes, the most significant bit of the first being the
 * first number: whether it is above zero.
 *
 * @example
 * ```ts
 * const bits = hamming(decodeBinary(data.a.embeddingBinary), decodeBinary(data.b.embeddingBinary));
 * ```
 */
export function decodeBinary(base64: string): Uint8Array {
  return bytesOf(base64);
}

function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  const binary = binaryFromBase64(base64);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

/**
 * The cosine similarity of two vectors, float32 or int8: 1 for the same direction, 0 for nothing in common or a vector of zeros.
 *
 * @throws RangeError where they differ in length: vectors of two models cannot be compared
 * @example
 * ```ts
 * const [cat, feline] = await client.embedVectors(['cat', 'feline']);
 * const similarity = cosine(cat, feline);
 * ```
 */
export function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length)
    throw new RangeError(`Vectors of ${a.length} and ${b.length} numbers cannot be compared`);
  let dot = 0;
  let squaresOfA = 0;
  let squaresOfB = 0;
  for (let i = 0; i < a.length; i++) {
    const x = a[i] as number;
    const y = b[i] as number;
    dot += x * y;
    squaresOfA += x * x;
    squaresOfB += y * y;
  }
  const length = Math.sqrt(squaresOfA) * Math.sqrt(squaresOfB);
  return length === 0 ? 0 : dot / length;
}

/**
 * In how many bits two binary vectors differ: 0 for the same, about half of their dimension for nothing in common. The fewer,
 * the nearer.
 *
 * @throws RangeError where they differ in length: vectors of two models cannot be compared
 * @example
 * ```ts
 * const near = candidates.sort((a, b) => hamming(query, a) - hamming(query, b)).slice(0, 100);
 * ```
 */
export function hamming(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length)
    throw new RangeError(`Vectors of ${a.length} and ${b.length} bytes cannot be compared`);
  let bits = 0;
  for (let i = 0; i < a.length; i++) {
    // Counted in pairs, fours and eights.
    let x = (a[i] as number) ^ (b[i] as number);
    x -= (x >> 1) & 0x55;
    x = (x & 0x33) + ((x >> 2) & 0x33);
    bits += (x + (x >> 4)) & 0x0f;
  }
  return bits;
}
