/** Tokens, padding included, that one forward pass takes: enough to keep the cores busy, small enough for their caches. */
const maxPaddedTokens = 2_048;

/** What a forward pass costs beside its tokens, in tokens: measured on all-MiniLM-L6-v2 with one thread. */
const passTokens = 2;

/**
 * Groups texts of similar length so that all of them together take the least time: a group costs its tokens with their
 * padding, and something for itself. The cheapest way to cut the texts, sorted by length, is found from the end.
 * @param lengths in tokens. @returns the indexes of each group, shortest texts first.
 */
export function microBatches(lengths: readonly number[]): number[][] {
  const sorted = [...lengths.keys()].sort((a, b) => lengths[a]! - lengths[b]!);
  const count = sorted.length;
  /** The least that the texts from here on cost, and where the group that begins here ends then. */
  const cost = new Float64Array(count + 1);
  const ends = new Uint32Array(count);
  for (let from = count - 1; from >= 0; from--) {
    cost[from] = Number.POSITIVE_INFINITY;
    for (let end = from + 1; end <= count; end++) {
      const tokens = (end - from) * lengths[sorted[end - 1]!]!;
      if (tokens > maxPaddedTokens && end > from + 1) break;
      const total = passTokens + tokens + cost[end]!;
      if (total < cost[from]!) {
        cost[from] = total;
        ends[from] = end;
      }
    }
  }
  const groups: number[][] = [];
  for (let from = 0; from < count; from = ends[from]!) groups.push(sorted.slice(from, ends[from]));
  return groups;
}
