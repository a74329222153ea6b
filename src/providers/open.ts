import { EmbedQLError } from '../core/errors.ts';
import type { EmbedderEvents } from '../core/events.ts';
import type { EmbeddingModel, ModelSpec } from '../core/model.ts';
import { checkedModel } from './dependable/checked-model.ts';
import { countedModel } from './dependable/counted-model.ts';
import { type ReliabilityOptions, ReliableModel } from './dependable/reliable-model.ts';
import { hubOptions } from './hub.ts';
import { readOptions } from './options.ts';
import type { Provider, ProviderContext, ProviderModel } from './provider.ts';
import { fitTexts, type TokenCounter } from './tokens/counter.ts';
import { TokenizerCounter } from './tokens/tokenizer.ts';

export interface OpenModelsOptions extends ProviderContext {
  providers: readonly Provider[];
  /** For remote models. */
  reliability: ReliabilityOptions;
  events: EmbedderEvents;
}

/** Opens every model with its provider, made dependable and counted. */
export function openModels(specs: readonly ModelSpec[], options: OpenModelsOptions): EmbeddingModel[] {
  return specs.map((spec) => {
    const model = checkedModel(openModel(spec, options.providers, options), options.log);
    if (!model.remote) return countedModel(model, options.events);
    return new ReliableModel(model, options.reliability, options.events, options.log);
  });
}

const methods = ['status', 'identity', 'fit', 'embed', 'close'] as const;

/**
 * A model as its provider gives it. Options that a specification leaves out have the provider's defaults.
 * @throws EmbedQLError where the provider cannot, or gives something else
 */
export function openModel(
  spec: ModelSpec,
  providers: readonly Provider[],
  { env, modelsDir, log, progress }: ProviderContext,
): ProviderModel {
  const provider = providers.find(({ name }) => name === spec.provider);
  if (!provider) throw new Error(`${spec.name} names a provider that does not exist: ${spec.provider}`);
  const options = spec.options ?? readOptions(provider.options ?? {}, {});
  const cannot = (problem: string, cause?: unknown) =>
    new EmbedQLError(
      'PROVIDER_ERROR',
      `The provider ${provider.name} cannot open ${spec.name}: ${problem}.`,
      {
        cause,
      },
    );
  const hub = hubOptions(env);
  const counter =
    spec.tokenizer === undefined
      ? undefined
      : new TokenizerCounter({ spec, source: spec.tokenizer, modelsDir, hub, log, progress });
  let model: ProviderModel;
  try {
    model = provider.open({ ...spec, options }, { env, modelsDir, log, progress, counter });
  } catch (error) {
    throw error instanceof EmbedQLError ? error : cannot(String(error), error);
  }
  const missing = methods.find((method) => typeof model?.[method] !== 'function');
  if (missing !== undefined) throw cannot(`what it gives has no method "${missing}"`);
  return counter ? withCounter(model, counter) : model;
}

/** Counts and cuts with the entry's tokenizer, whatever the provider does. */
function withCounter(model: ProviderModel, counter: TokenCounter): ProviderModel {
  return {
    spec: model.spec,
    remote: model.remote,
    distinguishesKinds: model.distinguishesKinds,
    addedTokens: model.addedTokens,
    maxConcurrency: model.maxConcurrency,
    status: () => model.status(),
    ...(model.inspect ? { inspect: () => model.inspect!() } : {}),
    ...(model.pull ? { pull: () => model.pull!() } : {}),
    identity: () => model.identity(),
    fit: (texts) => fitTexts(texts, model.spec, counter),
    countTokens: (texts, atMost) => counter.count(texts, atMost),
    embed: (texts, signal, call) => model.embed(texts, signal, call),
    async close() {
      await Promise.all([model.close(), counter.close?.()]);
    },
  };
}
