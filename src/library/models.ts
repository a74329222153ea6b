import { badUserInput } from '../core/errors.ts';
import type { ModelSpec } from '../core/model.ts';
import { meant } from '../core/nearest.ts';
import type { Environment } from '../core/surroundings.ts';
import { builtinModels } from '../models/builtin.ts';
import type { Provider } from '../providers/provider.ts';
import { checkOptions, kindOf } from './options.ts';

/**
 * A model and who serves it: what `openai`, `openaiCompatible` and `local` give, and what a function for a provider of
 * your own would give. It is opened by `createEmbedder`; until then it is data.
 *
 * @example
 * ```ts
 * import type { ModelDefinition } from 'embedql';
 * import acmeProvider from './acme.js';
 *
 * const acme = (apiKey: string): ModelDefinition => ({
 *   provider: acmeProvider,
 *   entry: { name: 'acme-small', dimension: 512, baseUrl: 'https://api.acme.example' },
 *   env: { ACME_KEY: apiKey },
 * });
 * ```
 */
export interface ModelDefinition {
  /** Who serves it; a function is called when an embedder is made, so that heavy code is loaded late. */
  readonly provider: Provider | (() => Promise<Provider>);
  /** What an entry of the models file says of a model, without `provider`. */
  readonly entry: Readonly<Record<string, unknown>> & { readonly name: string };
  /** The variables that the provider sees, such as keys. Default: those of the process. */
  readonly env?: Environment | undefined;
  /** Where weights live. Default: `EMBEDQL_MODELS_DIR`, else `~/.cache/embedql/models`. */
  readonly modelsDir?: string | undefined;
}

/** What any model may be given. */
export interface ModelOptions {
  /** Numbers in a full vector. Required where EmbedQL does not know the model. */
  dimension?: number | undefined;
  /** The provider's own name for the model, such as a deployment. @default the name */
  id?: string | undefined;
  /** Texts in one provider call. */
  maxBatchSize?: number | undefined;
  /** Tokens in one text; what is longer is cut, or refused with `truncate: false`. */
  maxInputTokens?: number | undefined;
  /** USD for 1,000 tokens. */
  costPer1kTokens?: number | undefined;
  /** Whether a shorter vector may be asked for with `dimensions` (Matryoshka). */
  supportsDimensions?: boolean | undefined;
  /** Put in front of what `embedQuery` is given. */
  queryPrefix?: string | undefined;
  /** Put in front of what `embed` and `embedMany` are given. */
  documentPrefix?: string | undefined;
  /**
   * What tokens are counted and cut with, for models that are not computed on this machine: a path to a `tokenizer.json`, or
   * a name of the Hugging Face hub. @default OpenAI's encoding for OpenAI's API, else bytes
   */
  tokenizer?: string | undefined;
}

/** Their names. */
export const modelOptions: readonly string[] = [
  'dimension',
  'id',
  'maxBatchSize',
  'maxInputTokens',
  'costPer1kTokens',
  'supportsDimensions',
  'queryPrefix',
  'documentPrefix',
  'tokenizer',
];

/** What a model of OpenAI may be given. */
export interface OpenAIModelOptions extends ModelOptions {
  /** @default process.env.OPENAI_API_KEY */
  apiKey?: string | undefined;
  /** Where OpenAI is reached, such as a proxy. @default process.env.OPENAI_BASE_URL, else OpenAI */
  baseUrl?: string | undefined;
}

/**
 * A model of OpenAI. Of `text-embedding-3-small`, `text-embedding-3-large` and `text-embedding-ada-002` everything is
 * known; of others say the `dimension`, and what a token costs.
 *
 * Nothing is asked of OpenAI before the first text. Without a key, texts fail with `PROVIDER_NOT_CONFIGURED`.
 *
 * @throws {EmbedQLError} `BAD_USER_INPUT` for an option that does not exist, or a model that is not known
 *
 * @example
 * ```ts
 * const embedder = await createEmbedder({
 *   models: [openai('text-embedding-3-small', { apiKey: process.env.OPENAI_API_KEY })],
 * });
 * ```
 */
export function openai(name: string, options?: OpenAIModelOptions): ModelDefinition {
  const where = 'openai()';
  const given = checkOptions(where, options, [...modelOptions, 'apiKey', 'baseUrl']);
  const { apiKey, baseUrl = process.env['OPENAI_BASE_URL']?.trim() || undefined, ...more } = given;
  // The name that messages call the key by is where the caller can change it.
  const apiKeyEnv = 'apiKey' in given ? 'apiKey' : 'OPENAI_API_KEY';
  return {
    provider: openaiProvider,
    entry: {
      ...known(where, 'openai', name, more),
      apiKeyEnv,
      ...(baseUrl === undefined ? {} : { baseUrl }),
    },
    env: { [apiKeyEnv]: readKey(where, 'apiKey' in given ? apiKey : process.env['OPENAI_API_KEY']) },
  };
}

/** What a model of an OpenAI-compatible server is given. */
export interface OpenAICompatibleOptions extends ModelOptions {
  /** Where the server is, such as `http://127.0.0.1:11434/v1`. Required, unless there are `endpoints`. */
  baseUrl?: string | undefined;
  /** Several servers of one model: calls go to them by their weights, and away from one that fails. */
  endpoints?: readonly OpenAICompatibleEndpoint[] | undefined;
  /** Numbers in a full vector. */
  dimension: number;
  /** @default none is sent */
  apiKey?: string | undefined;
}

/** One of several servers of a model. */
export interface OpenAICompatibleEndpoint {
  /** Where it is. */
  baseUrl: string;
  /** @default that of the model */
  apiKey?: string | undefined;
  /** Its own name for the model. @default that of the model */
  id?: string | undefined;
  /** What it is called in logs and figures. @default its host */
  name?: string | undefined;
  /** How much of the work is its, in proportion to the others'. @default 1 */
  weight?: number | undefined;
}

/**
 * A model of a server that speaks like OpenAI's: Ollama, vLLM, text-embeddings-inference, Mistral, Azure and others.
 * OpenAI's key of the environment is never sent there.
 *
 * @throws {EmbedQLError} `BAD_USER_INPUT` for an option that does not exist or is missing
 *
 * @example
 * ```ts
 * const nomic = openaiCompatible('nomic-embed-text', { baseUrl: 'http://127.0.0.1:11434/v1', dimension: 768 });
 * const bge = openaiCompatible('bge-m3', {
 *   endpoints: [{ baseUrl: 'http://gpu-1:8080/v1', weight: 2 }, { baseUrl: 'http://gpu-2:8080/v1' }],
 *   dimension: 1024,
 * });
 * ```
 */
export function openaiCompatible(name: string, options: OpenAICompatibleOptions): ModelDefinition {
  const where = 'openaiCompatible()';
  const known = [...modelOptions, 'apiKey', 'baseUrl', 'endpoints'];
  const { apiKey, endpoints, ...entry } = checkOptions(where, options, known);
  for (const required of endpoints === undefined ? ['baseUrl', 'dimension'] : ['dimension']) {
    if (entry[required] === undefined) throw badUserInput(`${where}: ${required} is required.`);
  }
  const key = readKey(where, apiKey);
  const keys: Record<string, string> = key === undefined ? {} : { apiKey: key };
  return {
    provider: openaiProvider,
    entry: {
      ...entry,
      name: readName(where, name),
      ...(key === undefined ? {} : { apiKeyEnv: 'apiKey' }),
      ...(endpoints === undefined ? {} : { endpoints: readEndpoints(where, endpoints, keys) }),
    },
    env: keys,
  };
}

/** Endpoints as an entry has them. Their keys are put into `keys`, under the names that messages call them by. */
function readEndpoints(where: string, given: unknown, keys: Record<string, string>): object[] {
  if (!Array.isArray(given))
    throw badUserInput(`${where}: endpoints must be a list such as [{ baseUrl }]; got ${kindOf(given)}.`);
  return given.map((endpoint: unknown, i) => {
    const of = `${where}: endpoints[${i}]`;
    const { apiKey, ...more } = checkOptions(of, endpoint, ['baseUrl', 'apiKey', 'id', 'name', 'weight']);
    const key = readKey(of, apiKey);
    if (key === undefined) return more;
    const apiKeyEnv = `endpoints[${i}].apiKey`;
    keys[apiKeyEnv] = key;
    return { ...more, apiKeyEnv };
  });
}

/** What a local model may be given. */
export interface LocalModelOptions extends ModelOptions {
  /** Where weights live, and are put where they are missing. @default EMBEDQL_MODELS_DIR, else ~/.cache/embedql/models */
  modelsDir?: string | undefined;
  /** Which of the weights to load, such as `q8`. @default the best that is there */
  dtype?: string | undefined;
  /** How the vectors of tokens become one. @default mean */
  pooling?: 'mean' | 'cls' | undefined;
  /** What computes: tried when the model is loaded; where it cannot be used, the CPU does. @default cpu */
  device?: 'cpu' | 'cuda' | 'webgpu' | 'coreml' | 'dml' | 'auto' | undefined;
}

/**
 * A sentence-transformers model that computes in this process, on the CPU, in worker threads. Of `all-MiniLM-L6-v2`,
 * `all-mpnet-base-v2` and `multilingual-e5-small` everything is known; of other ONNX models say the `dimension`, and in `id` the hub's name. Weights
 * are looked for, and fetched, at the first text.
 *
 * @throws {EmbedQLError} `BAD_USER_INPUT` for an option that does not exist, or a model that is not known
 *
 * @example
 * ```ts
 * const embedder = await createEmbedder({ models: [local('all-MiniLM-L6-v2')] });
 * ```
 */
export function local(name: string, options?: LocalModelOptions): ModelDefinition {
  const where = 'local()';
  const given = checkOptions(where, options, [...modelOptions, 'modelsDir', 'dtype', 'pooling', 'device']);
  const { modelsDir, ...more } = given;
  return {
    provider: async () => (await import('../providers/local/index.ts')).local,
    entry: known(where, 'local', name, more),
    modelsDir: modelsDir as string | undefined,
  };
}

const openaiProvider = async () => (await import('../providers/openai/index.ts')).openai;

/** The entry of a model, completed with what is known of it. */
function known(
  where: string,
  provider: string,
  name: string,
  given: Readonly<Record<string, unknown>>,
): ModelDefinition['entry'] {
  const models = builtinModels.filter((spec) => spec.provider === provider);
  const short = readName(where, name).replace(/^sentence-transformers\//, '');
  const spec = models.find((model) => model.name === (provider === 'local' ? short : name));
  if (!spec && given['dimension'] === undefined) {
    const names = models.map((model) => model.name);
    const near = meant(name, names);
    throw badUserInput(
      `${where}: dimension is required for a model that EmbedQL does not know.` +
        (near === undefined ? ` It knows ${names.join(', ')}.` : ` Did you mean ${near}?`),
    );
  }
  const set = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  return { ...(spec && entryOf(spec)), ...set, name: spec?.name ?? name };
}

/** What the models file would say of a model that is built in. */
function entryOf(spec: ModelSpec): Readonly<Record<string, unknown>> {
  const { id, dimension, maxBatchSize, maxInputTokens, costPer1kTokens, supportsDimensions } = spec;
  const { queryPrefix, documentPrefix } = spec;
  return {
    ...(id === undefined ? {} : { id }),
    dimension,
    maxBatchSize,
    maxInputTokens,
    costPer1kTokens,
    supportsDimensions,
    ...(queryPrefix === undefined ? {} : { queryPrefix }),
    ...(documentPrefix === undefined ? {} : { documentPrefix }),
  };
}

export function readName(where: string, name: unknown): string {
  if (typeof name === 'string' && name !== '') return name;
  throw badUserInput(`${where}: the first argument must be the name of a model; got ${kindOf(name)}.`);
}

export function readKey(where: string, key: unknown): string | undefined {
  if (key === undefined || key === null || typeof key === 'string') return key ?? undefined;
  throw badUserInput(`${where}: apiKey must be a string; got ${kindOf(key)}.`);
}
