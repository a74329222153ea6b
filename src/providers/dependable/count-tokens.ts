import type { ProviderModel } from '../provider.ts';

/** Tokens of each text; the most it can have where the provider does not count them. */
export async function countTokens(model: ProviderModel, texts: readonly string[]): Promise<number[]> {
  if (model.countTokens) return model.countTokens(texts);
  return (await model.fit(texts)).map(({ maxTokens }) => maxTokens);
}
