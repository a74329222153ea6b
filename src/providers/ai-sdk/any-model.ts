import type { Provider } from '../provider.ts';
import { bytesCounter } from '../tokens/bytes.ts';
import { AiSdkModel } from './bridge.ts';
import type { AiSdkEmbeddingModel, AiSdkProviderOptions } from './model.ts';

/** What calls of any AI SDK model are told besides their texts. */
export interface AiSdkCallOptions {
  readonly documentOptions?: AiSdkProviderOptions | undefined;
  readonly queryOptions?: AiSdkProviderOptions | undefined;
}

/** Texts of a call to a model that has no limit of its own. */
const usualTexts = 100;
/** As for entries of the models file. */
const mostTexts = 2_048;

/** A provider of one model: one that a program has opened with the AI SDK itself. */
export async function aiSdkProvider(
  model: AiSdkEmbeddingModel,
  { documentOptions, queryOptions }: AiSdkCallOptions,
): Promise<Provider> {
  const [most, parallel] = await Promise.all([model.maxEmbeddingsPerCall, model.supportsParallelCalls]);
  const limited = most !== undefined && most >= 1 && most <= mostTexts;
  return {
    name: 'ai-sdk',
    defaults: { maxInputTokens: 8_191, maxBatchSize: limited ? most : usualTexts },
    known: () => ({ mostTexts: limited ? most : mostTexts }),
    open: (spec, { log, counter = bytesCounter }) =>
      new AiSdkModel({
        spec,
        log,
        load: async () => model,
        callOptions: (kind) => (kind === 'query' ? queryOptions : documentOptions),
        distinguishesKinds: JSON.stringify(queryOptions) !== JSON.stringify(documentOptions),
        parallel,
        counter,
        key: 'the key that its model was made with',
      }),
  };
}
