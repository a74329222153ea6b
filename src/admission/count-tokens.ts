import type { EmbeddingModel } from '../core/model.ts';
import type { ModelRequest } from '../core/request.ts';

/**
 * Whether the texts have more than `limit` tokens together. Of a text as many are counted as its model reads, and
 * they are counted exactly only where the bytes leave a doubt.
 */
export async function countTokensBeyond(requests: readonly ModelRequest[], limit: number): Promise<boolean> {
  const byModel = new Map<EmbeddingModel, string[]>();
  let most = 0;
  for (const { model, text } of requests) {
    most += Math.min(model.spec.maxInputTokens, Buffer.byteLength(text));
    const texts = byModel.get(model);
    if (texts) texts.push(text);
    else byModel.set(model, [text]);
  }
  if (most <= limit) return false;
  let tokens = 0;
  for (const [model, texts] of byModel) {
    const counts = await model.countTokens(texts);
    for (const count of counts) tokens += Math.min(model.spec.maxInputTokens, count);
  }
  return tokens > limit;
}
