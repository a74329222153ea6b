import { distance } from 'fastest-levenshtein';

/** The candidate that is spelled most like `name`, case aside; undefined where there is none at all. */
export function nearest(name: string, candidates: readonly string[]): string | undefined {
  return ranked(name, candidates)[0]?.candidate;
}

/** The nearest candidate, where it is near enough for a slip or `name` is a part of it; else undefined. */
export function meant(name: string, candidates: readonly string[]): string | undefined {
  const [best] = ranked(name, candidates);
  if (best && best.edits <= Math.max(2, best.candidate.length / 3)) return best.candidate;
  const part = name.toLowerCase();
  return part.length < 4 ? undefined : candidates.find((whole) => whole.toLowerCase().includes(part));
}

function ranked(name: string, candidates: readonly string[]): Array<{ candidate: string; edits: number }> {
  // A name is at most as long as a line; an edit distance takes the product of both lengths.
  const lower = name.slice(0, 200).toLowerCase();
  return candidates
    .map((candidate) => ({ candidate, edits: distance(candidate.toLowerCase(), lower) }))
    .sort((a, b) => a.edits - b.edits);
}
