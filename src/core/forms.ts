/**
 * The vector as signed bytes: round(127·x / max|x|), so that the direction, and with it the cosine, is kept.
 * @returns `dimension` bytes; zeros for a vector of zeros
 */
export function toInt8(vector: Float32Array): Int8Array {
  let largest = 0;
  for (let i = 0; i < vector.length; i++) {
    const magnitude = Math.abs(vector[i]!);
    if (magnitude > largest) largest = magnitude;
  }
  const bytes = new Int8Array(vector.length);
  if (largest === 0) return bytes;
  for (let i = 0; i < vector.length; i++) bytes[i] = Math.round((127 * vector[i]!) / largest);
  return bytes;
}

/**
 * One bit for each number: whether it is above zero, the most significant bit first.
 * @returns ceil(dimension / 8) bytes; bits past the end are 0
 */
export function toBinary(vector: Float32Array): Uint8Array {
  const bytes = new Uint8Array(Math.ceil(vector.length / 8));
  for (let i = 0; i < vector.length; i++) if (vector[i]! > 0) bytes[i >> 3]! |= 128 >> (i & 7);
  return bytes;
}

/** Bytes as base64. */
export function bytesToBase64(bytes: Int8Array | Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}
