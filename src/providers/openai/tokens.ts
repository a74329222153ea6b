import { mapInSlices, sliceWhole } from '../text.ts';

interface EncodeOptions {
  allowedSpecial: Set<string>;
  disallowedSpecial: Set<string>;
}

/** What is used of gpt-tokenizer's encoding. */
interface Encoding {
  countTokens(text: string, options: EncodeOptions): number;
  decode(tokens: number[]): string;
  encodeGenerator(text: string, options: EncodeOptions): Iterable<number[]>;
}

let encoding: Promise<Encoding> | undefined;

/** Loads cl100k_base, the encoding of OpenAI's embedding models; some megabytes, so only once it is needed. */
export function loadEncoding(): Promise<Encoding> {
  encoding ??= import('#cl100k');
  return encoding;
}

/** What looks like a special token in a text is text. */
const asText = { allowedSpecial: new Set<string>(), disallowedSpecial: new Set<string>() };

/**
 * Merging takes time quadratic in the length of an unbroken run (100,000 letters: 13 s), so runs are cut
 * into pieces of this many characters. A cut can add a token to a run that no person wrote.
 */
const longestRun = 200;
const longRuns = new RegExp(
  `\\p{L}{${longestRun}}|[^\\s\\p{L}\\p{N}]{${longestRun}}|\\s{${longestRun}}`,
  'gu',
);

function* pieces(text: string): Generator<string> {
  let from = 0;
  if (text.length >= longestRun) {
    for (const run of text.matchAll(longRuns)) {
      const to = run.index + run[0].length;
      yield text.slice(from, to);
      from = to;
    }
  }
  yield text.slice(from);
}

function count({ countTokens }: Encoding, text: string): number {
  let tokens = 0;
  for (const piece of pieces(text)) tokens += countTokens(piece, asText);
  return tokens;
}

/** Tokens of each text. */
export async function countEach(texts: readonly string[]): Promise<number[]> {
  const loaded = await loadEncoding();
  return mapInSlices(texts, (text) => count(loaded, text));
}

export interface CutText {
  text: string;
  tokens: number;
  truncated: boolean;
}

/** Every text within `limit` tokens: as it is, or the longest start of it that is. */
export async function cutEachToTokens(texts: readonly string[], limit: number): Promise<CutText[]> {
  const loaded = await loadEncoding();
  return mapInSlices(texts, (text) => cutToTokens(loaded, text, limit));
}

function cutToTokens(loaded: Encoding, text: string, limit: number): CutText {
  const ids = firstTokens(loaded, text, limit + 1);
  if (ids.length <= limit) return { text, tokens: ids.length, truncated: false };
  // A shorter text may fall into other tokens at its end, and then into one more: then cut further.
  for (let keep = limit; ; keep--) {
    const start = startOfTokens(loaded, text, ids.slice(0, keep));
    const tokens = count(loaded, start);
    if (tokens <= limit) return { text: start, tokens, truncated: true };
  }
}

function firstTokens({ encodeGenerator }: Encoding, text: string, atMost: number): number[] {
  const ids: number[] = [];
  for (const piece of pieces(text)) {
    for (const tokens of encodeGenerator(piece, asText)) {
      ids.push(...tokens);
      if (ids.length >= atMost) return ids.slice(0, atMost);
    }
  }
  return ids;
}

function startOfTokens({ decode }: Encoding, text: string, ids: readonly number[]): string {
  // A token may end inside a character, which then decodes to replacement characters.
  const decoded = decode([...ids]).replace(/\uFFFD+$/u, '');
  return sliceWhole(text, decoded.length);
}

/** Splits a whole `total` in proportion to `weights`, by largest remainder: the parts add up exactly. */
export function apportion(total: number, weights: readonly number[]): number[] {
  const sum = weights.reduce((a, b) => a + b, 0);
  const shares = weights.map((weight) => (sum > 0 ? (total * weight) / sum : total / weights.length));
  const parts = shares.map(Math.floor);
  const left = total - parts.reduce((a, b) => a + b, 0);
  const byRemainder = [...shares.keys()].sort((a, b) => shares[b]! - parts[b]! - (shares[a]! - parts[a]!));
  for (const i of byRemainder.slice(0, left)) parts[i]! += 1;
  return parts;
}
