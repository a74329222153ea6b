import type { ModelSpec } from '../core/model.ts';

const openai = {
  provider: 'openai',
  maxBatchSize: 100,
  maxInputTokens: 8_191,
  // "a maximum of 300,000 tokens summed across all inputs": OpenAI's reference of POST /embeddings.
  maxBatchTokens: 300_000,
};

const local = { provider: 'local', maxBatchSize: 32, costPer1kTokens: 0, supportsDimensions: false };

/** The models that are there without any configuration. */
export const builtinModels: readonly ModelSpec[] = [
  {
    ...openai,
    name: 'text-embedding-3-small',
    dimension: 1_536,
    costPer1kTokens: 0.00002,
    supportsDimensions: true,
  },
  {
    ...openai,
    name: 'text-embedding-3-large',
    dimension: 3_072,
    costPer1kTokens: 0.00013,
    supportsDimensions: true,
  },
  {
    ...openai,
    name: 'text-embedding-ada-002',
    dimension: 1_536,
    costPer1kTokens: 0.0001,
    supportsDimensions: false,
  },
  {
    ...local,
    name: 'all-MiniLM-L6-v2',
    id: 'onnx-community/all-MiniLM-L6-v2-ONNX',
    dimension: 384,
    maxInputTokens: 256,
  },
  {
    ...local,
    name: 'all-mpnet-base-v2',
    id: 'Xenova/all-mpnet-base-v2',
    dimension: 768,
    maxInputTokens: 384,
  },
  // A hundred languages. "Each input text should start with "query: " or "passage: "", says its card.
  {
    ...local,
    name: 'multilingual-e5-small',
    id: 'Xenova/multilingual-e5-small',
    dimension: 384,
    maxInputTokens: 512,
    queryPrefix: 'query: ',
    documentPrefix: 'passage: ',
  },
];
