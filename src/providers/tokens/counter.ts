import type { FittedText, ModelSpec } from '../../core/model.ts';

/** A text within a limit. */
export interface CutText {
  readonly text: string;
  /** Its tokens, or the most that it can have. */
  readonly tokens: number;
  readonly truncated: boolean;
}

/** How a model's tokens are counted here. No work of it holds the event loop. */
export interface TokenCounter {
  /** Whether its counts are those of the service. Otherwise they are the most that a text can have. */
  readonly exact: boolean;
  /** Tokens of each text. @param atMost counting a text may stop there, and then gives it or more */
  count(texts: readonly string[], atMost?: number): Promise<number[]>;
  /** Every text within `limit` tokens: as it is, or the longest start of it that is. */
  cut(texts: readonly string[], limit: number): Promise<CutText[]>;
}

/**
 * Texts within a model's limit. A token is at least one byte long, so a short text fits without being counted; a longer one is
 * counted where a batch full of its like could pass the limit of a call.
 * @param added tokens that the counter counts with every text beside its own
 */
export async function fitTexts(
  texts: readonly string[],
  { maxInputTokens, maxBatchTokens, maxBatchSize }: ModelSpec,
  counter: TokenCounter,
  added = 0,
): Promise<FittedText[]> {
  const uncounted = Math.min(maxInputTokens, (maxBatchTokens ?? Number.POSITIVE_INFINITY) / maxBatchSize);
  // Of a text of many megabytes, the bytes are not looked at either.
  const bytes = texts.map(
    (text) => added + (text.length > uncounted ? text.length : Buffer.byteLength(text)),
  );
  const long = texts.filter((_, i) => bytes[i]! > uncounted);
  const cuts = (long.length > 0 ? await counter.cut(long, maxInputTokens) : []).values();
  return texts.map((text, i) => {
    if (bytes[i]! <= uncounted) return { text, maxTokens: bytes[i]!, truncated: false };
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
