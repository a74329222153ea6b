import { randomUUID } from 'node:crypto';
import { expect, inject } from 'vitest';
import type { Stand } from '../stand.ts';

export const stand: Stand = inject('stand');
export const local = 'all-MiniLM-L6-v2';
export const remote = 'text-embedding-3-small';
/** The provider refuses a call with this in a text. */
export const poison = '☠';
/** Far over the limit of every model: 8,191 tokens at most. */
export const long = 'word '.repeat(9_000);

/** A text that nobody has asked for yet. */
export function fresh(start = 'a text of'): string {
  return `${start} ${randomUUID()}`;
}

/** The vectors that the texts have, from the model itself and not through any door. */
export async function truth(model: string, texts: readonly string[]): Promise<number[][]> {
  const response = await fetch(`${stand.control}/truth`, {
    method: 'POST',
    body: JSON.stringify({ model, texts }),
  });
  if (!response.ok) throw new Error(await response.text());
  return (await response.json()) as number[][];
}

/** The calls that the provider got with `text` in one of their texts. */
export async function callsWith(text: string): Promise<Array<{ model: string; input: string[] }>> {
  const response = await fetch(`${stand.control}/calls?text=${encodeURIComponent(text)}`);
  return (await response.json()) as Array<{ model: string; input: string[] }>;
}

/** Fails unless these are the texts' vectors, in order. */
export async function expectVectors(
  model: string,
  texts: readonly string[],
  vectors: ReadonlyArray<ArrayLike<number>>,
): Promise<void> {
  expect(vectors).toHaveLength(texts.length);
  for (const [i, expected] of (await truth(model, texts)).entries()) {
    expect(vectors[i]).toHaveLength(expected.length);
    expect(1 - cosine(vectors[i]!, expected), `text ${i}`).toBeLessThan(1e-6);
  }
}

/** The vector of `embeddingBase64`. */
export function decode(base64: string): Float32Array {
  const bytes = Uint8Array.from(Buffer.from(base64, 'base64'));
  return new Float32Array(bytes.buffer);
}

function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [dot, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    dot += a[i]! * b[i]!;
    aa += a[i]! ** 2;
    bb += b[i]! ** 2;
  }
  return dot / Math.sqrt(aa * bb);
}
