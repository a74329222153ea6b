import { z } from 'zod';
import { cl100kCounter } from '../../tokens/cl100k.ts';
import { type Vendor, type VendorModel, type VendorOptions, vendorProvider } from '../vendor.ts';

/** What a models-file entry may say of a model of Azure OpenAI besides. */
export interface AzureOptions extends VendorOptions {
  /** The resource: `NAME` of `https://NAME.openai.azure.com`. Default: AZURE_RESOURCE_NAME, unless there is a `baseUrl`. */
  readonly resourceName?: string | undefined;
  /** Default: `v1`. */
  readonly apiVersion?: string | undefined;
  /** Whether the deployment stands in the address, as before the `v1` API. Default: false. */
  readonly deploymentUrls?: boolean | undefined;
}

// OpenAI's limits and prices; a resource may have others, by region and contract.
const limits = { maxInputTokens: 8_191, maxBatchTokens: 300_000 };
const price = (usdPerMillionTokens: number) => ({
  usdPerMillionTokens,
  source: 'https://azure.microsoft.com/pricing/details/azure-openai/',
  date: '2026-11-25',
});

const models: Readonly<Record<string, VendorModel>> = {
  'text-embedding-3-small': {
    ...limits,
    dimension: 1_536,
    sizes: 'any',
    nested: true,
    price: price(0.022),
  },
  'text-embedding-3-large': {
    ...limits,
    dimension: 3_072,
    sizes: 'any',
    nested: true,
    price: price(0.143),
  },
  'text-embedding-ada-002': { ...limits, dimension: 1_536, price: price(0.11) },
};

const vendor: Vendor<AzureOptions> = {
  name: 'azure',
  sdk: { name: '@ai-sdk/azure', version: '3' },
  create: 'createAzure',
  keyVariable: 'AZURE_API_KEY',
  options: {
    resourceName: z
      .string()
      .regex(/^[A-Za-z0-9-]{1,64}$/, 'must be the name of a resource, such as "my-resource"')
      .optional(),
    apiVersion: z.string().min(1).max(64).optional(),
    deploymentUrls: z.boolean().optional(),
  },
  models,
  // OpenAI takes 2,048; 100 as for OpenAI itself.
  defaults: { ...limits, maxBatchSize: 100 },
  mostTexts: () => 2_048,
  // OpenAI's models make no difference.
  distinguishesKinds: () => false,
  parallel: true,
  settings({ baseUrl, resourceName, apiVersion, deploymentUrls, apiKeyEnv }, env, apiKey) {
    const variable = apiKeyEnv ?? 'AZURE_API_KEY';
    if (apiKey === undefined) return { needs: variable, how: `requires a key: set ${variable}` };
    const resource = resourceName ?? (env['AZURE_RESOURCE_NAME']?.trim() || undefined);
    if (baseUrl === undefined && resource === undefined)
      return {
        needs: 'AZURE_RESOURCE_NAME',
        how: 'requires the name of a resource: give its entry a "resourceName" or set AZURE_RESOURCE_NAME',
      };
    const place = baseUrl === undefined ? { resourceName: resource } : { baseURL: baseUrl };
    return { settings: { ...place, apiKey, apiVersion, useDeploymentBasedUrls: deploymentUrls } };
  },
  callOptions: (_kind, dimensions) => (dimensions === undefined ? undefined : { openai: { dimensions } }),
  counter: cl100kCounter,
};

/** OpenAI's models on Azure. `id` is the name of the deployment. */
export const azure = vendorProvider(vendor);
