import { Turns } from '../../core/turns.ts';
import { sliceWhole } from '../text.ts';
import type { CutText, TokenCounter } from './counter.ts';
import { pieces } from './pieces.ts';

interface EncodeOptions {
  allowedSpecial: Set<string>;
  disallowedSpecial: Set<string>;
}

/** What is used of gpt-tokenizer's encoding. */
interface Encoding {
  countTokens(text: string, options: EncodeOptions): number;
  setMergeCacheSize(size: number): void;
}

let encoding: Promise<Encoding> | undefined;

/** Loads cl100k_base, the encoding of OpenAI's embedding models; some megabytes, so only once it is needed. */
export function loadEncoding(): Promise<Encoding> {
  encoding ??= import('#cl100k').then((loaded: Encoding) => {
    loaded.setMergeCacheSize(rememberedMerges);
    return loaded;
  });
  return encoding;
}

/** Words whose tokens the encoding remembers. Each may keep the piece in memory that it was found in, a few kilobytes. */
const rememberedMerges = 10_000;

/** What looks like a special token in a text is text. */
const asText = { allowedSpecial: new Set<string>(), disallowedSpecial: new Set<string>() };

/**
 * Tokens of each text. Counting one stops where it has `atMost` or more, so that no more of it is looked at than that.
 */
export async function countEach(
  texts: readonly string[],
  atMost = Number.POSITIVE_INFINITY,
): Promise<number[]> {
  const loaded = await loadEncoding();
  const turns = new Turns();
  const counts: number[] = [];
  for (const text of texts) counts.push(await count(loaded, text, turns, atMost));
  return counts;
}

async function count(
  { countTokens }: Encoding,
  text: string,
  turns: Turns,
  atMost = Number.POSITIVE_INFINITY,
): Promise<number> {
  let tokens = 0;
  for (const piece of pieces(text)) {
    tokens += countTokens(piece, asText);
    if (tokens >= atMost) break;
    const others = turns.next();
    if (others) await others;
  }
  return tokens;
}

/** Every text within `limit` tokens: as it is, or the longest start of it that is. */
export async function cutEachToTokens(texts: readonly string[], limit: number): Promise<CutText[]> {
  const loaded = await loadEncoding();
  const turns = new Turns();
  const cuts: CutText[] = [];
  for (const text of texts) cuts.push(await cutToTokens(loaded, text, turns, limit));
  return cuts;
}

async function cutToTokens(loaded: Encoding, text: string, turns: Turns, limit: number): Promise<CutText> {
  let tokens = 0;
  let chars = 0;
  for (const piece of pieces(text)) {
    const more = loaded.countTokens(piece, asText);
    if (tokens + more > limit) {
      const start = await startOf(loaded, piece, turns, limit - tokens);
      return {
        text: text.slice(0, chars + start.length),
        tokens: tokens + (await count(loaded, start, turns)),
        truncated: true,
      };
    }
    tokens += more;
    chars += piece.length;
    const others = turns.next();
    if (others) await others;
  }
  return { text, tokens, truncated: false };
}

/** The longest start of a piece that is within `limit` tokens. */
async function startOf(loaded: Encoding, piece: string, turns: Turns, limit: number): Promise<string> {
  let fits = 0;
  let tooLong = piece.length;
  while (tooLong - fits > 1) {
    const middle = Math.floor((fits + tooLong) / 2);
    if ((await count(loaded, piece.slice(0, middle), turns)) <= limit) fits = middle;
    else tooLong = middle;
  }
  return sliceWhole(piece, fits);
}

/** OpenAI's embedding models, wherever they are served; an estimate for other models. */
export const cl100kCounter: TokenCounter = { exact: true, count: countEach, cut: cutEachToTokens };
