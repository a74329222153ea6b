import { cpus } from 'node:os';

/** The middle one of what `rounds` runs of `measure` give. */
export async function median(rounds: number, measure: (round: number) => Promise<number>): Promise<number> {
  const results: number[] = [];
  for (let round = 0; round < rounds; round++) results.push(await measure(round));
  return results.sort((a, b) => a - b)[Math.floor(rounds / 2)]!;
}

export async function milliseconds(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

export function print(line = ''): void {
  process.stdout.write(`${line}\n`);
}

/** A table with its columns lined up. */
export function table(head: readonly string[], rows: ReadonlyArray<ReadonlyArray<string | number>>): void {
  const cells = [head, ...rows].map((row) => row.map(String));
  const widths = head.map((_, column) => Math.max(...cells.map((row) => row[column]!.length)));
  for (const row of cells) print(row.map((cell, column) => cell.padStart(widths[column]!)).join('  '));
}

export function machine(): string {
  const [cpu] = cpus();
  return `Node ${process.versions.node}, ${cpus().length} × ${cpu?.model ?? 'unknown'}`;
}
