import { keySettings, type Vendor, type VendorModel, type VendorOptions, vendorProvider } from '../vendor.ts';

// As LiteLLM 1.110.2 quotes this page on that day.
const price = (usdPerMillionTokens: number) => ({
  usdPerMillionTokens,
  source: 'https://docs.voyageai.com/docs/pricing',
  date: '2026-11-25',
});

const sized = { dimension: 1_024, sizes: [256, 512, 1_024, 2_048], nested: true, maxInputTokens: 32_000 };
const fixed = { dimension: 1_024, maxInputTokens: 32_000 };

// "The total number of tokens in the list is at most …": https://docs.voyageai.com/reference/embeddings-api
const small = { maxBatchTokens: 120_000 };
const middle = { maxBatchTokens: 320_000 };
const large = { maxBatchTokens: 1_000_000 };

const models: Readonly<Record<string, VendorModel>> = {
  'voyage-4-large': { ...sized, ...small, price: price(0.12) },
  'voyage-4': { ...sized, ...middle, price: price(0.06) },
  'voyage-4-lite': { ...sized, ...large, price: price(0.02) },
  'voyage-code-4': { ...sized, ...small, price: price(0.12) },
  'voyage-3-large': { ...sized, ...small, price: price(0.18) },
  'voyage-3.5': { ...sized, ...middle, price: price(0.06) },
  'voyage-3.5-lite': { ...sized, ...large, price: price(0.02) },
  'voyage-code-3': { ...sized, ...small, price: price(0.18) },
  'voyage-finance-2': { ...fixed, ...small, price: price(0.12) },
  'voyage-law-2': { ...fixed, ...small, maxInputTokens: 16_000, price: price(0.12) },
};

const vendor: Vendor<VendorOptions> = {
  name: 'voyage',
  sdk: { name: 'voyage-ai-provider', version: '4' },
  create: 'createVoyage',
  keyVariable: 'VOYAGE_API_KEY',
  options: {},
  models,
  defaults: { maxInputTokens: 16_000 },
  // The API has taken 1,000 since; the package holds to the 128 that it took before.
  mostTexts: () => 128,
  distinguishesKinds: () => true,
  parallel: false,
  // "Represent the query for retrieving supporting documents: " and its like.
  addedTokens: 16,
  settings: (options, _env, key) => keySettings(options, key, 'VOYAGE_API_KEY'),
  callOptions: (kind, outputDimension) => ({
    voyage: {
      inputType: kind === 'query' ? 'query' : 'document',
      ...(outputDimension === undefined ? {} : { outputDimension }),
    },
  }),
};

/** Voyage AI's embedding models. */
export const voyage = vendorProvider(vendor);
