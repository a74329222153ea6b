import { OpenAIEmbedding } from '@llamaindex/openai';
import { Document, Settings, VectorStoreIndex } from 'llamaindex';
import { expect, test } from 'vitest';
import { describeEmbeddings, type Target } from './embeddings-client.ts';
import { local, stand } from './support.ts';

const connect = ({ url, key, model }: Target) =>
  new OpenAIEmbedding({ model, apiKey: key, baseURL: `${url}/v1` });

describeEmbeddings('LlamaIndex', (target) => ({
  one: (text) => connect(target).getTextEmbedding(text),
  many: (texts) => connect(target).getTextEmbeddings(texts),
}));

test('LlamaIndex finds the nearest document, whatever its length', async () => {
  Settings.embedModel = connect({ url: stand.open, key: 'anything', model: local });
  const documents = ['The cat purrs on the sofa. '.repeat(200), 'Shares fell sharply today.'].map(
    (text) => new Document({ text }),
  );
  const index = await VectorStoreIndex.fromDocuments(documents);
  const [nearest] = await index.asRetriever({ similarityTopK: 1 }).retrieve('feline animals');
  expect(nearest!.node.getContent({} as never)).toContain('cat');
});
