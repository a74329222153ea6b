import { type Clock, systemClock } from '../../core/clock.ts';
import { toEmbedQLError } from '../../core/errors.ts';
import type { EmbedderEvents, ProviderCall } from '../../core/events.ts';
import type { EmbeddingModel } from '../../core/model.ts';
import type { CheckedModel } from './checked-model.ts';

/** Keeps one batch queued behind the one that is computed, so the worker never idles. */
const concurrency = 2;

/** A model in this process: nothing to wait for or to try again, only to count. */
export function countedModel(model: CheckedModel, events: EmbedderEvents): EmbeddingModel {
  const never = new AbortController().signal;
  return {
    spec: model.spec,
    concurrency,
    sharesMachine: true,
    distinguishesKinds: model.distinguishesKinds,
    status: () => model.status(),
    identity: () => model.identity(),
    fit: (texts) => model.fit(texts),
    countTokens: (texts, atMost) => model.countTokens(texts, atMost),
    close: () => model.close(),
    async embed(texts, { kind = 'doc' } = {}) {
      const report = reportCall(events, { model: model.spec.name, texts: texts.length });
      try {
        const embedded = await model.embed(texts, never, { kind });
        report('ok');
        return embedded;
      } catch (error) {
        report(toEmbedQLError(error).code);
        throw error;
      }
    },
  };
}

/** Begins a call to a provider. @returns what tells its outcome, with the time that it took. */
export function reportCall(
  events: EmbedderEvents,
  call: Pick<ProviderCall, 'model' | 'texts' | 'endpoint'>,
  clock: Pick<Clock, 'now'> = systemClock,
): (outcome: ProviderCall['outcome']) => void {
  const started = clock.now();
  return (outcome) => events.providerCall({ ...call, seconds: (clock.now() - started) / 1000, outcome });
}
