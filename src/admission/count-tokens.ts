import type { EmbeddingModel } from '../core/model.ts';
import type { ModelRequest } from '../core/request.ts';

/** The most tokens that texts can have. Looks at no text: a token is a byte at least, and a UTF-16 unit is three at most. */
export function mostTokens(requests: readonly ModelRequest[]): number {
  let most = 0;
  for (const { text, model } of requests) most += Math.min(model.spec.maxInputTokens, text.length * 3);
  return most;
}

/**
 * Tokens of texts together; of each text as many as its model reads. They are counted only where their bytes leave a
 * doubt, and no further than to `limit`.
 * @returns the tokens, or the most that they can be where that is within the limit, or some number beyond it
 */
export async function countTokens(requests: readonly ModelRequest[], limit: number): Promise<number> {
  const byModel = new Map<EmbeddingModel, string[]>();
  let most = 0;
  for (const { model, text } of requests) {
    const { maxInputTokens } = model.spec;
    most +=
      text.length >= maxInputTokens ? maxInputTokens : Math.min(maxInputTokens, Buffer.byteLength(text));
    const texts = byModel.get(model);
    if (texts) texts.push(text);
    else byModel.set(model, [text]);
  }
  if (most <= limit) return most;
  let tokens = 0;
  for (const [model, texts] of byModel) {
    const { maxInputTokens } = model.spec;
    for (let from = 0; from < texts.length && tokens <= limit; from += together) {
      const counts = await model.countTokens(texts.slice(from, from + together), maxInputTokens);
      for (const count of counts) tokens += Math.min(maxInputTokens, count);
    }
  }
  return tokens;
}

/** Texts that are counted before the sum is looked at again. */
const together = 64;
