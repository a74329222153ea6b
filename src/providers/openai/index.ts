import { z } from 'zod';
import type { Provider } from '../provider.ts';
import { OpenAIModel } from './openai-model.ts';
import type { OpenAIOptions } from './options.ts';

/** OpenAI and every server that speaks like it. */
export const openai: Provider<OpenAIOptions> = {
  name: 'openai',
  defaults: {
    maxBatchSize: 100,
    maxInputTokens: 8_191,
    // "a maximum of 300,000 tokens summed across all inputs": OpenAI's reference of POST /embeddings.
    maxBatchTokens: 300_000,
  },
  options: {
    baseUrl: z.url({ protocol: /^https?$/ }).optional(),
    apiKeyEnv: z.string().min(1).optional(),
  },
  refusesLongTexts: ({ baseUrl }) => baseUrl === undefined,
  takesBatches: ({ baseUrl }) => baseUrl === undefined,
  open: (spec, context) => new OpenAIModel(spec, context),
};
