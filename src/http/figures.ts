import type { OperationFigures } from '../core/operation-figures.ts';

/** Puts what was asked for, and what that came to, on the answer. */
export function tellFigures(
  { setHeader }: { setHeader(name: string, value: string): void },
  { texts, hits, calls, costUsd }: OperationFigures,
): void {
  setHeader('x-embedql-figures', `texts=${texts} hits=${hits} calls=${calls} cost=${costUsd}`);
}
