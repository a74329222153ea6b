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
  const binary = binaryFromBase64(base64);
  if (binary.length % 4 !== 0) throw new RangeError(`${binary.length} bytes are not whole float32 numbers`);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
  const view = new DataView(bytes.buffer);
  const vector = new Float32Array(bytes.length / 4);
  for (let i = 0; i < vector.length; i++) vector[i] = view.getFloat32(4 * i, true);
  return vector;
}

/**
 * The cosine similarity of two vectors: 1 for the same direction, 0 for nothing in common or a vector of zeros.
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
