import { afterAll, test } from 'vitest';
import { providers } from '../../src/providers/registry.ts';
import { testProvider } from '../../src/testing.ts';
import { sendJson } from '../support/provider-server.ts';
import { startVendor, type VendorName, vendorKeys } from '../support/vendor-services.ts';

/** For each vendor a model with the most that its API tells, and one with the least. */
const models: ReadonlyArray<[VendorName, string, number, object?]> = [
  ['cohere', 'embed-v4.0', 1_536],
  ['cohere', 'embed-english-v3.0', 1_024],
  ['voyage', 'voyage-4', 1_024],
  ['google', 'gemini-embedding-001', 3_072],
  ['google', 'gemini-embedding-2', 3_072],
  ['mistral', 'mistral-embed', 1_024],
  ['azure', 'my-deployment', 3_072],
  ['bedrock', 'amazon.titan-embed-text-v2:0', 1_024],
  ['bedrock', 'amazon.nova-2-multimodal-embeddings-v1:0', 3_072],
  ['bedrock', 'cohere.embed-v4:0', 1_536],
  ['bedrock', 'cohere.embed-english-v3', 1_024],
];

for (const [vendor, name, dimension] of models) {
  const service = await startVendor(vendor);
  afterAll(() => service.close());
  const provider = providers.find((one) => one.name === vendor)!;
  const options = { baseUrl: service.url };
  const {
    sizes: _sizes,
    nested: _nested,
    mostTexts: _most,
    ...known
  } = provider.known?.(name, options) ?? {};
  const contract = {
    provider,
    model: { ...known, name, dimension, options },
    env: vendorKeys,
    envWithoutKey: { AWS_REGION: 'eu-west-1' },
    refusedText: service.poison,
    failOnce: () => {
      service.misbehave = (response) => {
        service.misbehave = undefined;
        sendJson(response, 503, { message: 'not now' });
        return true;
      };
    },
    hangOnce: () => {
      service.misbehave = () => {
        service.misbehave = undefined;
        return true;
      };
    },
  };
  for (const { name: title, run } of testProvider(contract)) test(`${name} of ${title}`, run);
}
