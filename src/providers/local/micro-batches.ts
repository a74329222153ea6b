/** Tokens, padding included, that one forward pass takes: enough to keep the cores busy, small enough for their caches. */
const maxPaddedTokens = 2_048;

/** A text may be padded by a quarter of the shortest beside it, or by this many tokens. */
const freePadding = 4;

/**
 * Groups texts of similar length.
 * @param lengths in tokens. @returns the indexes of each group, shortest texts first.
 */
export function microBatches(lengths: readonly number[]): number[][] {
  const byLength = [...lengths.keys()].sort((a, b) => lengths[a]! - lengths[b]!);
  const groups: number[][] = [];
  let group: number[] = [];
  for (const i of byLength) {
    const shortest = lengths[group[0] ?? i]!;
    const length = lengths[i]!;
    const padsTooMuch = length > Math.max(shortest * 1.25, shortest + freePadding);
    const isFull = (group.length + 1) * length > maxPaddedTokens;
    if (group.length > 0 && (padsTooMuch || isFull)) {
      groups.push(group);
      group = [];
    }
    group.push(i);
  }
  if (group.length > 0) groups.push(group);
  return groups;
}
