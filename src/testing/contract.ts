/** One thing that must hold, for any test runner: `test(name, run)`. */
export interface ContractTest {
  readonly name: string;
  /** @throws AssertionError of `node:assert` where it does not hold */
  run(): Promise<void>;
}

/** The cosine of the angle between two vectors of the same length. */
export function cosine(a: Float32Array, b: Float32Array): number {
  let dot = 0;
  let squaresA = 0;
  let squaresB = 0;
  for (const [i, x] of a.entries()) {
    const y = b[i]!;
    dot += x * y;
    squaresA += x * x;
    squaresB += y * y;
  }
  return dot / Math.sqrt(squaresA * squaresB);
}
