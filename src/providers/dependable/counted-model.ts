import { toEmbedQLError } from '../../core/errors.ts';
import type { EmbedderEvents } from '../../core/events.ts';
import type { EmbeddingModel } from '../../core/model.ts';
import type { ProviderModel } from '../provider.ts';
import { countTokens } from './count-tokens.ts';
import { reportCall } from './report-call.ts';

/** One batch computes while the next is on its way to the worker, which so never waits. */
const concurrency = 2;

/** A model in this process: nothing to wait for or to try again, only to count. */
export function countedModel(model: ProviderModel, events: EmbedderEvents): EmbeddingModel {
  const never = new AbortController().signal;
  return {
    spec: model.spec,
    concurrency,
    status: () => model.status(),
    identity: () => model.identity(),
    fit: (texts) => model.fit(texts),
    countTokens: (texts) => countTokens(model, texts),
    close: () => model.close(),
    async embed(texts) {
      const report = reportCall(events, { model: model.spec.name, texts: texts.length });
      try {
        const embedded = await model.embed(texts, never);
        report('ok');
        return embedded;
      } catch (error) {
        report(toEmbedQLError(error).code);
        throw error;
      }
    },
  };
}
