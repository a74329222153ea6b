import { z } from 'zod';
import type { TextKind } from '../../../core/model.ts';
import type { AiSdkProviderOptions } from '../model.ts';
import { type Vendor, type VendorModel, type VendorOptions, vendorProvider } from '../vendor.ts';

const families = ['titan', 'cohere', 'nova'] as const;
type Family = (typeof families)[number];

/** What a models-file entry may say of a model of Amazon Bedrock besides. */
export interface BedrockOptions extends VendorOptions {
  /** Default: AWS_REGION, else AWS_DEFAULT_REGION. */
  readonly region?: string | undefined;
  /** What it is, where its id does not tell, such as that of an application inference profile. */
  readonly modelFamily?: Family | undefined;
}

// As LiteLLM 1.110.2 quotes this page on that day, for us-east-1.
const price = (usdPerMillionTokens: number) => ({
  usdPerMillionTokens,
  source: 'https://aws.amazon.com/bedrock/pricing/',
  date: '2026-11-25',
});

const cohereV3 = { dimension: 1_024, maxInputTokens: 512, price: price(0.1) };
const cohereV4 = {
  ...{ dimension: 1_536, sizes: [256, 512, 1_024, 1_536], nested: true },
  ...{ maxInputTokens: 128_000, maxBatchTokens: 128_000, price: price(0.12) },
};

const models: Readonly<Record<string, VendorModel>> = {
  'amazon.titan-embed-text-v2:0': {
    ...{ dimension: 1_024, sizes: [256, 512, 1_024], maxInputTokens: 8_192 },
    price: price(0.02),
  },
  'amazon.titan-embed-text-v1': { dimension: 1_536, maxInputTokens: 8_192, price: price(0.1) },
  'amazon.nova-2-multimodal-embeddings-v1:0': {
    ...{ dimension: 3_072, sizes: [256, 384, 1_024, 3_072], nested: true, maxInputTokens: 8_172 },
    price: price(0.135),
  },
  'cohere.embed-english-v3': cohereV3,
  'cohere.embed-multilingual-v3': cohereV3,
  'cohere.embed-v4:0': cohereV4,
  'us.cohere.embed-v4:0': cohereV4,
  'eu.cohere.embed-v4:0': cohereV4,
  'global.cohere.embed-v4:0': cohereV4,
};

/** As the package tells them apart. */
function familyOf(id: string, { modelFamily }: BedrockOptions): Family {
  if (modelFamily) return modelFamily;
  if (id.includes('amazon.nova-') && id.includes('embed')) return 'nova';
  return id.includes('cohere.embed-') ? 'cohere' : 'titan';
}

const vendor: Vendor<BedrockOptions> = {
  name: 'bedrock',
  sdk: { name: '@ai-sdk/amazon-bedrock', version: '4' },
  create: 'createAmazonBedrock',
  keyVariable: 'AWS_BEARER_TOKEN_BEDROCK',
  options: {
    region: z
      .string()
      .regex(/^[a-z0-9-]{1,40}$/, 'must be a region, such as "us-east-1"')
      .optional(),
    modelFamily: z.enum(families).optional(),
  },
  models,
  defaults: { maxInputTokens: 512 },
  mostTexts: (id, options) => (familyOf(id, options) === 'cohere' ? 96 : 1),
  // Titan has no parameter for it.
  distinguishesKinds: (id, options) => familyOf(id, options) !== 'titan',
  parallel: true,
  settings({ baseUrl, region: given, modelFamily, apiKeyEnv }, env, bearer) {
    const variable = (name: string) => env[name]?.trim() || undefined;
    const accessKeyId = variable('AWS_ACCESS_KEY_ID');
    const secretAccessKey = variable('AWS_SECRET_ACCESS_KEY');
    if (bearer === undefined && (apiKeyEnv !== undefined || !accessKeyId || !secretAccessKey)) {
      const name = apiKeyEnv ?? 'AWS_BEARER_TOKEN_BEDROCK';
      const or = apiKeyEnv === undefined ? ', or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY,' : '';
      return { needs: name, how: `requires a key: set ${name}${or}` };
    }
    const region = given ?? variable('AWS_REGION') ?? variable('AWS_DEFAULT_REGION');
    if (region === undefined)
      return { needs: 'AWS_REGION', how: 'requires a region: give its entry a "region" or set AWS_REGION' };
    const baseURL = baseUrl ?? variable('AWS_ENDPOINT_URL_BEDROCK_RUNTIME') ?? variable('AWS_ENDPOINT_URL');
    const credentials =
      bearer === undefined
        ? // Empty, or the package would look for a token of its own accord.
          { apiKey: '', accessKeyId, secretAccessKey, sessionToken: variable('AWS_SESSION_TOKEN') }
        : { apiKey: bearer };
    return { settings: { region, ...credentials, ...(baseURL ? { baseURL } : {}), modelFamily } };
  },
  callOptions: (kind, dimension, id, options) => optionsOf(familyOf(id, options), kind, dimension),
};

function optionsOf(family: Family, kind: TextKind, dimension: number | undefined): AiSdkProviderOptions {
  if (family === 'titan') return { bedrock: dimension === undefined ? {} : { dimensions: dimension } };
  if (family === 'nova')
    return {
      bedrock: {
        // "GENERIC_INDEX" for what is to be found, "TEXT_RETRIEVAL" to find it among texts: AWS' schema.
        embeddingPurpose: kind === 'query' ? 'TEXT_RETRIEVAL' : 'GENERIC_INDEX',
        ...(dimension === undefined ? {} : { embeddingDimension: dimension }),
      },
    };
  return {
    bedrock: {
      // Always said: the package takes a text for a query otherwise.
      inputType: kind === 'query' ? 'search_query' : 'search_document',
      ...(dimension === undefined ? {} : { outputDimension: dimension }),
    },
  };
}

/** Embedding models on Amazon Bedrock: Titan, Nova, Cohere. */
export const bedrock = vendorProvider(vendor);
