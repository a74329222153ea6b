import { z } from 'zod';
import type { ApiCallError } from '../failures.ts';
import { keySettings, type Vendor, type VendorModel, type VendorOptions, vendorProvider } from '../vendor.ts';

// As LiteLLM 1.110.2 quotes this page on that day.
const price = (usdPerMillionTokens: number) => ({
  usdPerMillionTokens,
  source: 'https://ai.google.dev/gemini-api/docs/pricing',
  date: '2026-11-25',
});

/** The second generation has no task type: instructions stand before the text (https://ai.google.dev/gemini-api/docs/embeddings). */
const second: VendorModel = {
  dimension: 3_072,
  sizes: 'any',
  nested: true,
  maxInputTokens: 8_192,
  queryPrefix: 'task: search result | query: ',
  documentPrefix: 'title: none | text: ',
  price: price(0.2),
};

const models: Readonly<Record<string, VendorModel>> = {
  'gemini-embedding-001': {
    dimension: 3_072,
    sizes: 'any',
    nested: true,
    maxInputTokens: 2_048,
    price: price(0.15),
  },
  'gemini-embedding-2': second,
  'gemini-embedding-2-preview': second,
};

const hasTaskType = (id: string) => !id.startsWith('gemini-embedding-2');

const vendor: Vendor<VendorOptions> = {
  name: 'google',
  sdk: { name: '@ai-sdk/google', version: '3' },
  create: 'createGoogleGenerativeAI',
  keyVariable: 'GOOGLE_GENERATIVE_AI_API_KEY',
  options: {},
  models,
  defaults: { maxInputTokens: 2_048 },
  // "At most 100 requests can be in one batch": what batchEmbedContents answers to more.
  mostTexts: () => 100,
  distinguishesKinds: hasTaskType,
  parallel: true,
  settings: (options, _env, key) => keySettings(options, key, 'GOOGLE_GENERATIVE_AI_API_KEY'),
  callOptions: (kind, outputDimensionality, id) => ({
    google: {
      ...(hasTaskType(id) ? { taskType: kind === 'query' ? 'RETRIEVAL_QUERY' : 'RETRIEVAL_DOCUMENT' } : {}),
      ...(outputDimensionality === undefined ? {} : { outputDimensionality }),
    },
  }),
  // "The 3072 dimension embedding is normalized […] for other dimensions, you need to normalize": Google's guide.
  unnormalised: (id, dimension) => id === 'gemini-embedding-001' && dimension !== 3_072,
  readRefusal,
};

const refusalSchema = z.object({
  error: z.object({
    details: z.array(z.looseObject({ reason: z.unknown(), retryDelay: z.unknown() }).partial()),
  }),
});

/** Google answers 400 to a wrong key, and tells in the body how long to wait. */
function readRefusal({ data, statusCode }: ApiCallError): {
  reason?: 'key' | undefined;
  retryAfterMs?: number | undefined;
} {
  const read = refusalSchema.safeParse(data);
  if (!read.success) return {};
  const { details } = read.data.error;
  if (details.some(({ reason }) => reason === 'API_KEY_INVALID')) return { reason: 'key' };
  if (statusCode !== 429) return {};
  const delay = details.map(({ retryDelay }) => retryDelay).find((value) => typeof value === 'string');
  const seconds = /^(\d{1,9}(?:\.\d{1,9})?)s$/.exec(delay?.slice(0, 30) ?? '')?.[1];
  return seconds === undefined ? {} : { retryAfterMs: Math.ceil(Number(seconds) * 1000) };
}

/** Google's embedding models, by the Gemini API. */
export const google = vendorProvider(vendor);
