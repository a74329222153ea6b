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

/** An address as OpenAI's SDK takes it: it puts paths behind the address as it stands. */
export interface Endpoint {
  /** Without blanks, a query string, or slashes at its end. */
  readonly baseURL: string;
  /** What is asked with every call, such as Azure's `api-version`. */
  readonly query: Readonly<Record<string, string>>;
}

/** Reads an address with everything that people put around one. @returns undefined for one that is none */
export function readEndpoint(address: string | undefined): Endpoint | undefined {
  const trimmed = address?.trim();
  if (!trimmed || !URL.canParse(trimmed)) return undefined;
  const url = new URL(trimmed);
  const query = Object.fromEntries(url.searchParams);
  url.search = '';
  url.hash = '';
  let baseURL = url.href;
  while (baseURL.endsWith('/')) baseURL = baseURL.slice(0, -1);
  return { baseURL, query };
}
