import type { FittedText, ModelSpec } from '../../core/model.ts';

/** A text within a limit. */
export interface CutText {
  readonly text: string;
  /** Its tokens, or the most that it can have. */
  readonly tokens: number;
  readonly truncated: boolean;
}

/**
 * How a model's tokens are counted. No work of it holds the event loop.
 *
 * @example
 * const [tokens] = await counter.count(['The cat sat on the mat.']);
 */
export interface TokenCounter {
  /** Whether its counts are those of the service. Otherwise they are the most that a text can have. */
  readonly exact: boolean;
  /** Tokens of each text. @param atMost counting a text may stop there, and then gives it or more */
  count(texts: readonly string[], atMost?: number): Promise<number[]>;
  /** Every text within `limit` tokens: as it is, or a start of it that is, about as long as one can be. */
  cut(texts: readonly string[], limit: number): Promise<CutText[]>;
  /** The most tokens that a text of so many bytes can have. Default: one for each byte. */
  most?(bytes: number, isAscii: boolean): number;
  /** Lets go of what it holds. */
  close?(): Promise<void>;
}

/**
 * Texts within a model's limit. A token is at least one byte long, so a short text fits without being counted; a longer one is
 * counted where a batch full of its like could pass the limit of a call.
 */
export async function fitTexts(
  texts: readonly string[],
  { maxInputTokens, maxBatchTokens, maxBatchSize }: ModelSpec,
  counter: TokenCounter,
): Promise<FittedText[]> {
  const uncounted = Math.min(maxInputTokens, (maxBatchTokens ?? Number.POSITIVE_INFINITY) / maxBatchSize);
  // Of a text of many megabytes, the bytes are not looked at either.
  const most = texts.map((text) => {
    if (text.length > uncounted) return text.length;
    const bytes = Buffer.byteLength(text);
    return counter.most?.(bytes, bytes === text.length) ?? bytes;
  });
  const long = texts.filter((_, i) => most[i]! > uncounted);
  const cuts = (long.length > 0 ? await counter.cut(long, maxInputTokens) : []).values();
  return texts.map((text, i) => {
    if (most[i]! <= uncounted) return { text, maxTokens: most[i]!, truncated: false };
    const { tokens, ...cut } = cuts.next().value!;
    return { ...cut, maxTokens: tokens };
  });
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
