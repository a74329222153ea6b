import { keySettings, type Vendor, type VendorModel, type VendorOptions, vendorProvider } from '../vendor.ts';

// As LiteLLM 1.110.2 has them on that day.
const price = (usdPerMillionTokens: number) => ({
  usdPerMillionTokens,
  source: 'https://mistral.ai/pricing',
  date: '2026-11-25',
});

// "Too many tokens in batch. Max is 16384": what the API answers to more.
const limits = { maxInputTokens: 8_192, maxBatchTokens: 16_384 };
const embed = { ...limits, dimension: 1_024, price: price(0.1) };
// Its vectors can be cut; the package does not ask for other sizes.
const codestral = {
  ...{ ...limits, dimension: 1_536, nested: true },
  price: price(0.15),
};

const models: Readonly<Record<string, VendorModel>> = {
  'mistral-embed': embed,
  'mistral-embed-2312': embed,
  'codestral-embed': codestral,
  'codestral-embed-2505': codestral,
};

const vendor: Vendor<VendorOptions> = {
  name: 'mistral',
  sdk: { name: '@ai-sdk/mistral', version: '3' },
  create: 'createMistral',
  keyVariable: 'MISTRAL_API_KEY',
  options: {},
  models,
  defaults: limits,
  mostTexts: () => 32,
  // Its API has no parameter for it.
  distinguishesKinds: () => false,
  parallel: false,
  settings: (options, _env, key) => keySettings(options, key, 'MISTRAL_API_KEY'),
  callOptions: () => undefined,
};

/** Mistral's embedding models. */
export const mistral = vendorProvider(vendor);
