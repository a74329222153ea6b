import type { ModelSpec } from '../../core/model.ts';

/**
 * The variable that holds a model's key; undefined where its server wants none. OpenAI's key goes to OpenAI alone:
 * another server gets a key only where its entry names one.
 */
export function keyVariable({ apiKeyEnv, baseUrl }: ModelSpec): string | undefined {
  return apiKeyEnv ?? (baseUrl === undefined ? 'OPENAI_API_KEY' : undefined);
}
