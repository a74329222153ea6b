/** Byte order of this machine; the wire and the cache are little-endian everywhere. */
const littleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** The vector as little-endian float32, 4·dimension bytes. Shares memory with `vector` where it can. */
export function vectorToBytes(vector: Float32Array): Buffer {
  const bytes = Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength);
  return littleEndian ? bytes : Buffer.from(bytes).swap32();
}

/** Reads little-endian float32 bytes into a vector that owns its memory. */
export function vectorFromBytes(bytes: Uint8Array): Float32Array {
  const copy = Buffer.alloc(bytes.byteLength - (bytes.byteLength % 4));
  copy.set(bytes.subarray(0, copy.byteLength));
  if (!littleEndian) copy.swap32();
  return new Float32Array(copy.buffer, copy.byteOffset, copy.byteLength / 4);
}

export function vectorToBase64(vector: Float32Array): string {
  return vectorToBytes(vector).toString('base64');
}

/** Reads base64 of little-endian float32 bytes, straight into the vector's own memory. */
export function vectorFromBase64(base64: string): Float32Array {
  const bytes = Buffer.byteLength(base64, 'base64');
  const vector = new Float32Array(Math.floor(bytes / 4));
  const view = Buffer.from(vector.buffer);
  view.write(base64, 'base64');
  if (!littleEndian) view.swap32();
  return vector;
}

export function isFiniteVector(vector: Float32Array): boolean {
  // A number times zero is zero, unless it is not finite. An index is several times as fast as an iterator here.
  let zero = 0;
  for (let i = 0; i < vector.length; i++) zero += vector[i]! * 0;
  return zero === 0;
}

/**
 * The first `dimensions` numbers, scaled to unit length again: how text-embedding-3 shortens vectors
 * (OpenAI's embeddings guide, "Reducing embedding dimensions").
 */
export function shortenVector(vector: Float32Array, dimensions: number): Float32Array {
  return dimensions >= vector.length ? vector : normalise(vector.slice(0, dimensions));
}

/** Scales a vector to unit length, in its place; one that has no direction stays as it is. */
export function normalise(vector: Float32Array): Float32Array {
  let squares = 0;
  for (let i = 0; i < vector.length; i++) squares += vector[i]! ** 2;
  const norm = Math.sqrt(squares);
  if (norm > 0) for (let i = 0; i < vector.length; i++) vector[i] = vector[i]! / norm;
  return vector;
}

/** From -1 to 1; 0 where one of the two has no direction. */
export function cosineSimilarity(a: Float32Array, b: Float32Array): number {
  let dot = 0;
  let aSquares = 0;
  let bSquares = 0;
  for (let i = 0; i < a.length; i++) {
    dot += a[i]! * b[i]!;
    aSquares += a[i]! ** 2;
    bSquares += b[i]! ** 2;
  }
  const norms = Math.sqrt(aSquares * bSquares);
  return norms > 0 ? dot / norms : 0;
}
