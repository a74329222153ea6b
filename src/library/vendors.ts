import { badUserInput } from '../core/errors.ts';
import type { AiSdkEmbeddingModel, AiSdkProviderOptions } from '../providers/ai-sdk/model.ts';
import type { Provider } from '../providers/provider.ts';
import { type ModelDefinition, type ModelOptions, modelOptions, readKey, readName } from './models.ts';
import { checkOptions, type Given, kindOf } from './options.ts';

/** What a model of any vendor may be given. Of the vendor's current models everything is known, the price included. */
export interface VendorModelOptions extends ModelOptions {
  /** @default the vendor's variable: COHERE_API_KEY, VOYAGE_API_KEY, … */
  apiKey?: string | undefined;
  /** Where its API is, such as a proxy. @default the vendor's */
  baseUrl?: string | undefined;
  /** Whether several calls may be under way at the same time. @default what the AI SDK's package says */
  parallelCalls?: boolean | undefined;
}

const vendorOptions = [...modelOptions, 'apiKey', 'baseUrl', 'parallelCalls'];

/**
 * A model of Cohere. Requires the package `@ai-sdk/cohere@3`. `embed` and `embedMany` say `search_document`, `embedQuery`
 * says `search_query`.
 *
 * @throws {EmbedQLError} `BAD_USER_INPUT` for an option that does not exist
 *
 * @example
 * ```ts
 * const embedder = await createEmbedder({ models: [cohere('embed-v4.0', { apiKey: process.env.COHERE_API_KEY })] });
 * ```
 */
export function cohere(name: string, options?: VendorModelOptions): ModelDefinition {
  return vendorModel('cohere()', name, options, async () => {
    return (await import('../providers/ai-sdk/vendors/cohere.ts')).cohere;
  });
}

/**
 * A model of Voyage AI. Requires the package `voyage-ai-provider@4`. Documents and queries are told apart.
 *
 * @throws {EmbedQLError} `BAD_USER_INPUT` for an option that does not exist
 *
 * @example
 * ```ts
 * const small = voyage('voyage-4', { dimension: 512 });
 * ```
 */
export function voyage(name: string, options?: VendorModelOptions): ModelDefinition {
  return vendorModel('voyage()', name, options, async () => {
    return (await import('../providers/ai-sdk/vendors/voyage.ts')).voyage;
  });
}

/**
 * A model of Google, by the Gemini API. Requires the package `@ai-sdk/google@3`. Documents and queries are told apart.
 *
 * @throws {EmbedQLError} `BAD_USER_INPUT` for an option that does not exist
 *
 * @example
 * ```ts
 * const gemini = google('gemini-embedding-001', { dimension: 1536 });
 * ```
 */
export function google(name: string, options?: VendorModelOptions): ModelDefinition {
  return vendorModel('google()', name, options, async () => {
    return (await import('../providers/ai-sdk/vendors/google.ts')).google;
  });
}

/**
 * A model of Mistral. Requires the package `@ai-sdk/mistral@3`. Its API does not tell documents and queries apart.
 *
 * @throws {EmbedQLError} `BAD_USER_INPUT` for an option that does not exist
 *
 * @example
 * ```ts
 * const embed = mistral('mistral-embed');
 * ```
 */
export function mistral(name: string, options?: VendorModelOptions): ModelDefinition {
  return vendorModel('mistral()', name, options, async () => {
    return (await import('../providers/ai-sdk/vendors/mistral.ts')).mistral;
  });
}

/** What a model of Amazon Bedrock may be given. */
export interface BedrockModelOptions extends VendorModelOptions {
  /** @default AWS_REGION, else AWS_DEFAULT_REGION */
  region?: string | undefined;
  /** What it is, where its id does not tell, such as that of an application inference profile. */
  modelFamily?: 'titan' | 'cohere' | 'nova' | undefined;
}

/**
 * A model of Amazon Bedrock: Titan, Nova or Cohere. Requires the package `@ai-sdk/amazon-bedrock@4`. `apiKey` is a bearer
 * token; without it `AWS_BEARER_TOKEN_BEDROCK`, else `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY` are used.
 *
 * @throws {EmbedQLError} `BAD_USER_INPUT` for an option that does not exist
 *
 * @example
 * ```ts
 * const titan = bedrock('amazon.titan-embed-text-v2:0', { region: 'eu-west-1' });
 * ```
 */
export function bedrock(name: string, options?: BedrockModelOptions): ModelDefinition {
  const more = ['region', 'modelFamily'];
  return vendorModel(
    'bedrock()',
    name,
    options,
    async () => (await import('../providers/ai-sdk/vendors/bedrock.ts')).bedrock,
    more,
  );
}

/** What a model of Azure OpenAI may be given. */
export interface AzureModelOptions extends VendorModelOptions {
  /** `NAME` of `https://NAME.openai.azure.com`. @default AZURE_RESOURCE_NAME, unless there is a `baseUrl` */
  resourceName?: string | undefined;
  /** @default v1 */
  apiVersion?: string | undefined;
  /** Whether the deployment stands in the address, as before the `v1` API. @default false */
  deploymentUrls?: boolean | undefined;
}

/**
 * A model of OpenAI on Azure. Requires the package `@ai-sdk/azure@3`. `id` is the name of the deployment, where that is
 * another than the model's.
 *
 * @throws {EmbedQLError} `BAD_USER_INPUT` for an option that does not exist
 *
 * @example
 * ```ts
 * const small = azure('text-embedding-3-small', { resourceName: 'my-resource', id: 'my-deployment' });
 * ```
 */
export function azure(name: string, options?: AzureModelOptions): ModelDefinition {
  const more = ['resourceName', 'apiVersion', 'deploymentUrls'];
  return vendorModel(
    'azure()',
    name,
    options,
    async () => (await import('../providers/ai-sdk/vendors/azure.ts')).azure,
    more,
  );
}

/** What any model of the AI SDK is given. */
export interface AiSdkOptions extends ModelOptions {
  /** The name that calls use for it. @default the model's own id */
  name?: string | undefined;
  /** Numbers in a full vector. */
  dimension: number;
  /** The SDK's `providerOptions` for documents. */
  documentOptions?: AiSdkProviderOptions | undefined;
  /** The SDK's `providerOptions` for queries; where they are others, documents and queries are kept apart. */
  queryOptions?: AiSdkProviderOptions | undefined;
}

/**
 * Any embedding model of the AI SDK that you have opened yourself. Coalescing, caching, retries and accounting are ours; the
 * SDK's own retries are not used.
 *
 * @throws {EmbedQLError} `BAD_USER_INPUT` for something else, or an option that does not exist or is missing
 *
 * @example
 * ```ts
 * import { createCohere } from '@ai-sdk/cohere';
 *
 * const model = aiSdk(createCohere({ apiKey }).embeddingModel('embed-v4.0'), {
 *   dimension: 1536,
 *   documentOptions: { cohere: { inputType: 'search_document' } },
 *   queryOptions: { cohere: { inputType: 'search_query' } },
 * });
 * ```
 */
export function aiSdk(model: AiSdkEmbeddingModel, options: AiSdkOptions): ModelDefinition {
  const where = 'aiSdk()';
  const given = checkOptions(where, options, [...modelOptions, 'name', 'documentOptions', 'queryOptions']);
  if (typeof model?.doEmbed !== 'function')
    throw badUserInput(
      `${where}: the first argument must be an embedding model of the AI SDK; got ${kindOf(model)}.`,
    );
  if (given['dimension'] === undefined) throw badUserInput(`${where}: dimension is required.`);
  const { name = model.modelId, documentOptions, queryOptions, ...entry } = given;
  const callOptions = { documentOptions, queryOptions } as AiSdkOptions;
  return {
    provider: async () =>
      (await import('../providers/ai-sdk/any-model.ts')).aiSdkProvider(model, callOptions),
    entry: { ...defined(entry), name: readName(where, name) },
    env: {},
  };
}

function vendorModel(
  where: string,
  name: string,
  options: object | undefined,
  provider: () => Promise<Provider>,
  more: readonly string[] = [],
): ModelDefinition {
  const { apiKey, ...entry } = checkOptions(where, options, [...vendorOptions, ...more]);
  const key = readKey(where, apiKey);
  const named = { ...defined(entry), name: readName(where, name) };
  if (key === undefined) return { provider, entry: named, env: process.env };
  // The name that messages call the key by is where the caller can change it.
  return { provider, entry: { ...named, apiKeyEnv: 'apiKey' }, env: { ...process.env, apiKey: key } };
}

function defined(given: Given): Given {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}
