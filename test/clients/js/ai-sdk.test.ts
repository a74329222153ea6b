import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { type EmbeddingModel, embed, embedMany } from 'ai';
import { describeEmbeddings, type Target } from './embeddings-client.ts';

const through = (model: EmbeddingModel) => ({
  one: async (value: string) => (await embed({ model, value })).embedding,
  many: async (values: string[]) => (await embedMany({ model, values })).embeddings,
});

describeEmbeddings('AI SDK, @ai-sdk/openai', ({ url, key, model }: Target) =>
  through(createOpenAI({ baseURL: `${url}/v1`, apiKey: key }).embeddingModel(model)),
);

describeEmbeddings('AI SDK, @ai-sdk/openai-compatible', ({ url, key, model }: Target) =>
  through(
    createOpenAICompatible({ name: 'embedql', baseURL: `${url}/v1`, apiKey: key }).embeddingModel(model),
  ),
);
