import { keySettings, type Vendor, type VendorModel, type VendorOptions, vendorProvider } from '../vendor.ts';

// As LiteLLM 1.110.2 quotes this page on that day.
const price = (usdPerMillionTokens: number) => ({
  usdPerMillionTokens,
  source: 'https://cohere.com/pricing',
  date: '2026-11-25',
});

const v3 = { maxInputTokens: 512, price: price(0.1) };
// "128,000 total input tokens per run": what those say who serve it besides.
const v4 = { maxInputTokens: 128_000, maxBatchTokens: 128_000 };

const models: Readonly<Record<string, VendorModel>> = {
  'embed-v4.0': {
    ...{ ...v4, dimension: 1_536, sizes: [256, 512, 1_024, 1_536], nested: true },
    price: price(0.12),
  },
  'embed-v5.0-pro': { ...v4, dimension: 2_048, price: price(0.12) },
  'embed-v5.0-fast': { ...v4, dimension: 2_048, price: price(0.08) },
  'embed-english-v3.0': { ...v3, dimension: 1_024 },
  'embed-multilingual-v3.0': { ...v3, dimension: 1_024 },
  'embed-english-light-v3.0': { ...v3, dimension: 384 },
  'embed-multilingual-light-v3.0': { ...v3, dimension: 384 },
};

const vendor: Vendor<VendorOptions> = {
  name: 'cohere',
  sdk: { name: '@ai-sdk/cohere', version: '3' },
  create: 'createCohere',
  keyVariable: 'COHERE_API_KEY',
  options: {},
  models,
  defaults: { maxInputTokens: 512 },
  // "Maximum number of texts per call is 96": Cohere's reference of /v2/embed.
  mostTexts: () => 96,
  // Required from v3 on; the package says `search_query` where nobody says anything.
  distinguishesKinds: () => true,
  parallel: true,
  settings: (options, _env, key) => keySettings(options, key, 'COHERE_API_KEY'),
  callOptions: (kind, outputDimension) => ({
    cohere: {
      inputType: kind === 'query' ? 'search_query' : 'search_document',
      ...(outputDimension === undefined ? {} : { outputDimension }),
    },
  }),
};

/** Cohere's embedding models. */
export const cohere = vendorProvider(vendor);
