import type { EmbedderEvents } from '../core/events.ts';
import type { EmbeddingModel, ModelSpec } from '../core/model.ts';
import { countedModel } from './dependable/counted-model.ts';
import { type ReliabilityOptions, ReliableModel } from './dependable/reliable-model.ts';
import type { Provider, ProviderContext } from './provider.ts';

export interface OpenModelsOptions extends ProviderContext {
  providers: readonly Provider[];
  /** For remote models. */
  reliability: ReliabilityOptions;
  events: EmbedderEvents;
}

/** Opens every model with its provider, made dependable and counted. */
export function openModels(specs: readonly ModelSpec[], options: OpenModelsOptions): EmbeddingModel[] {
  return specs.map((spec) => {
    const provider = options.providers.find(({ name }) => name === spec.provider);
    if (!provider) throw new Error(`${spec.name} names a provider that does not exist: ${spec.provider}`);
    const model = provider.open(spec, options);
    if (!model.remote) return countedModel(model, options.events);
    return new ReliableModel(model, options.reliability, options.events, options.log);
  });
}
