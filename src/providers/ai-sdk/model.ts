/** Options for one of the AI SDK's providers, by its name: `{ cohere: { inputType: 'search_query' } }`. */
export type AiSdkProviderOptions = Readonly<Record<string, Readonly<Record<string, AiSdkJson>>>>;

/** What an option of the AI SDK may be. */
export type AiSdkJson =
  | null
  | string
  | number
  | boolean
  | undefined
  | readonly AiSdkJson[]
  | { readonly [name: string]: AiSdkJson };

/**
 * An embedding model of the AI SDK, version 3 or 4 of its specification: what `cohere.embeddingModel('…')` of a provider's
 * package gives. Written down here so that nobody has to install the SDK for the types of EmbedQL.
 */
export interface AiSdkEmbeddingModel {
  readonly specificationVersion: 'v3' | 'v4';
  readonly provider: string;
  readonly modelId: string;
  /** Texts in one call; undefined and Infinity are no limit. */
  readonly maxEmbeddingsPerCall: PromiseLike<number | undefined> | number | undefined;
  readonly supportsParallelCalls: PromiseLike<boolean> | boolean;
  doEmbed(options: {
    values: string[];
    abortSignal?: AbortSignal;
    // Method syntax and a wide type: providers' own types of options are narrower.
    // biome-ignore lint/suspicious/noExplicitAny: the SDK's type has an index signature of mutable JSON
    providerOptions?: any;
  }): PromiseLike<AiSdkResult>;
}

/** What a call gives, as far as it is used here. Nothing of it is believed. */
export interface AiSdkResult {
  readonly embeddings: ReadonlyArray<readonly number[]>;
  readonly usage?: { readonly tokens: number } | undefined;
  readonly response?: { readonly body?: unknown } | undefined;
}
