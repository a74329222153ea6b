import { vectorFromBytes } from '../../src/core/vectors.ts';

export function decode(base64: string): Float32Array {
  return vectorFromBytes(Buffer.from(base64, 'base64'));
}

/** Numbers of an answer as the float32 that they are the shortest text of. */
export function asFloat32(numbers: ArrayLike<number>): number[] {
  return Array.from(Float32Array.from(numbers));
}

export function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

export function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}
