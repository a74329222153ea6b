import { OpenAIEmbeddings } from '@langchain/openai';
import { describeEmbeddings } from './embeddings-client.ts';

describeEmbeddings('LangChain', ({ url, key, model }) => {
  const embeddings = new OpenAIEmbeddings({ model, apiKey: key, configuration: { baseURL: `${url}/v1` } });
  return {
    one: (text) => embeddings.embedQuery(text),
    many: (texts) => embeddings.embedDocuments(texts),
  };
});
