import { EmbedQLError } from '../core/errors.ts';
import type { EmbedderEvents } from '../core/events.ts';
import type { EmbeddingModel, ModelSpec } from '../core/model.ts';
import { checkedModel } from './dependable/checked-model.ts';
import { countedModel } from './dependable/counted-model.ts';
import { type ReliabilityOptions, ReliableModel, type ServingPlace } from './dependable/reliable-model.ts';
import { placeName } from './endpoints.ts';
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
  const { events, log, reliability } = options;
  return specs.map((spec) => {
    const counter = counterOf(spec, options);
    const places = placesOf(spec, options.providers).map(({ name, weight, spec: own }) => {
      const opened = openModel(own, options.providers, { ...options, counter });
      return { name, weight, model: checkedModel(opened, log) };
    });
    const [{ model }] = places as [ServingPlace, ...ServingPlace[]];
    if (!model.remote) return countedModel(model, events);
    return new ReliableModel(places, reliability, events, log);
  });
}

/** The places that serve a model, each as a model of its own. */
function placesOf(
  spec: ModelSpec,
  providers: readonly Provider[],
): Array<{ name: string; weight: number; spec: ModelSpec }> {
  if (!spec.endpoints || spec.endpoints.length === 0)
    return [{ name: placeName(spec.options) ?? spec.provider, weight: 1, spec }];
  return spec.endpoints.map(({ name, weight, id = spec.id, options }) => ({
    ...{ name, weight },
    spec: {
      ...spec,
      id,
      endpoints: undefined,
      options: options ?? readOptions(providerOf(spec, providers).options ?? {}, {}),
    },
  }));
}

/** How an entry's tokens are counted, where it has a tokenizer: the same for all of its endpoints. */
function counterOf(
  spec: ModelSpec,
  { env, modelsDir, log, progress }: ProviderContext,
): TokenCounter | undefined {
  const { tokenizer: source } = spec;
  if (source === undefined) return undefined;
  return new TokenizerCounter({ spec, source, modelsDir, hub: hubOptions(env), log, progress });
}

function providerOf(spec: ModelSpec, providers: readonly Provider[]): Provider {
  const provider = providers.find(({ name }) => name === spec.provider);
  if (provider) return provider;
  throw new Error(`${spec.name} names a provider that does not exist: ${spec.provider}`);
}

const methods = ['status', 'identity', 'fit', 'embed', 'close'] as const;

/**
 * A model as its provider gives it. Options that a specification leaves out have the provider's defaults. Of several endpoints
 * it is the first that can be asked.
 * @throws EmbedQLError where the provider cannot, or gives something else
 */
export function openModel(
  spec: ModelSpec,
  providers: readonly Provider[],
  context: ProviderContext,
): ProviderModel {
  if (spec.endpoints) {
    const models = placesOf(spec, providers).map((place) => openModel(place.spec, providers, context));
    return models.find((model) => model.status().available) ?? models[0]!;
  }
  const provider = providerOf(spec, providers);
  const options = spec.options ?? readOptions(provider.options ?? {}, {});
  const cannot = (problem: string, cause?: unknown) =>
    new EmbedQLError(
      'PROVIDER_ERROR',
      `The provider ${provider.name} cannot open ${spec.name}: ${problem}.`,
      {
        cause,
      },
    );
  const { env, modelsDir, log, progress, counter } = context;
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
    batches: model.batches,
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
