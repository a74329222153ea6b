/**
 * Deals texts out to workers: each gets texts of similar length, and all about the same number of bytes.
 * @returns the indexes for each worker; fewer where there are not enough texts
 */
export function shares(texts: readonly string[], workers: number): number[][] {
  const bytes = texts.map((text) => Buffer.byteLength(text) + textBytes);
  const shortestFirst = [...texts.keys()].sort((a, b) => bytes[a]! - bytes[b]!);
  const total = bytes.reduce((sum, each) => sum + each, 0);
  const dealt: number[][] = [];
  let share: number[] = [];
  let taken = 0;
  for (const i of shortestFirst) {
    // Goes to whichever share has the middle of this text.
    const full = (total * (dealt.length + 1)) / workers;
    if (share.length > 0 && dealt.length < workers - 1 && taken + bytes[i]! / 2 > full) {
      dealt.push(share);
      share = [];
    }
    share.push(i);
    taken += bytes[i]!;
  }
  if (share.length > 0) dealt.push(share);
  return dealt;
}

/** What a text costs beside its own bytes: special tokens, and its part of a forward pass. */
const textBytes = 16;
