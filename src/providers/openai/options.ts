/** What a models-file entry may say of an OpenAI-compatible server. */
export interface OpenAIOptions {
  /** Where it is. Default: OPENAI_BASE_URL, else OpenAI. */
  readonly baseUrl?: string | undefined;
  /** The environment variable that holds the key. Default: OPENAI_API_KEY for OpenAI, none for another server. */
  readonly apiKeyEnv?: string | undefined;
}

/**
 * The variable that holds a model's key; undefined where its server requires none. OpenAI's key goes to OpenAI alone:
 * another server gets a key only where its entry names one.
 */
export function keyVariable({ apiKeyEnv, baseUrl }: OpenAIOptions): string | undefined {
  return apiKeyEnv ?? (baseUrl === undefined ? 'OPENAI_API_KEY' : undefined);
}
