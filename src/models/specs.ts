import { type Config, ConfigError } from '../config/config.ts';
import { specNamed } from '../core/catalogue.ts';
import type { ModelSpec } from '../core/model.ts';
import { meant } from '../core/nearest.ts';
import type { Provider } from '../providers/provider.ts';
import { providers as builtinProviders } from '../providers/registry.ts';
import { builtinModels } from './builtin.ts';
import { readModelsFile } from './file.ts';
import { modelsOf } from './providers.ts';

/**
 * The built-in models and those that providers bring, with those of the models file added or in their place.
 * @throws ConfigError
 */
export function modelSpecs(
  { modelsFile }: Pick<Config, 'modelsFile'>,
  providers: readonly Provider[] = builtinProviders,
): ModelSpec[] {
  const known = [...builtinModels];
  for (const spec of providers.flatMap(modelsOf)) {
    // A package must not take over the name of a model that clients use already.
    if (known.some(({ name }) => name === spec.name)) {
      throw new ConfigError(
        `EMBEDQL_PROVIDERS: the provider ${spec.provider} brings a model named ${spec.name}, but that name is taken`,
      );
    }
    known.push(spec);
  }
  const more = modelsFile === undefined ? [] : readModelsFile(modelsFile, providers);
  const specs = [...known.filter(({ name }) => !more.some((spec) => spec.name === name)), ...more];
  return specs.map((spec) => {
    const provider = providers.find(({ name }) => name === spec.provider);
    return {
      ...spec,
      ...(provider?.aliases ? { aliases: provider.aliases(spec.name) } : {}),
      ...(spec.batchCostPer1kTokens === undefined && provider?.takesBatches?.(spec.options ?? {})
        ? { batchCostPer1kTokens: spec.costPer1kTokens === null ? null : spec.costPer1kTokens / 2 }
        : {}),
      ...(provider?.refusesLongTexts?.(spec.options ?? {}) ? { refusesLongTexts: true } : {}),
    };
  });
}

/** The model that is used where none is named. @throws ConfigError */
export function defaultModelName(
  { defaultModel: name, openaiApiKey }: Pick<Config, 'defaultModel' | 'openaiApiKey'>,
  specs: readonly ModelSpec[],
): string {
  if (name === undefined) return openaiApiKey ? 'text-embedding-3-small' : 'all-MiniLM-L6-v2';
  const spec = specNamed(specs, name);
  if (spec) return spec.name;
  const known = specs.map((other) => other.name);
  const near = meant(name, known);
  const hint = near === undefined ? '' : `, did you mean ${near}?`;
  throw new ConfigError(
    `EMBEDQL_DEFAULT_MODEL: there is no model ${name}${hint}; for example one of ${known.join(', ')}`,
  );
}
