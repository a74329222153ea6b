import { type Config, ConfigError } from '../config/config.ts';
import { type ModelSpec, shortName } from '../core/model.ts';
import { providers as registeredProviders } from '../providers/registry.ts';
import { builtinModels } from './builtin.ts';
import { readModelsFile } from './file.ts';

/** The built-in models, with those of the models file added or in their place. */
export function modelSpecs(
  { modelsFile }: Pick<Config, 'modelsFile'>,
  providers = registeredProviders,
): ModelSpec[] {
  const names = providers.map(({ name }) => name);
  const more = modelsFile === undefined ? [] : readModelsFile(modelsFile, names);
  return [...builtinModels.filter(({ name }) => !more.some((spec) => spec.name === name)), ...more];
}

/** The model that is used where none is named. @throws ConfigError */
export function defaultModelName(config: Config, specs: readonly ModelSpec[]): string {
  const name = config.defaultModel && shortName(config.defaultModel);
  if (name === undefined) return config.openaiApiKey ? 'text-embedding-3-small' : 'all-MiniLM-L6-v2';
  if (specs.some((spec) => spec.name === name)) return name;
  const known = specs.map((spec) => spec.name).join(', ');
  throw new ConfigError(`EMBEDQL_DEFAULT_MODEL: there is no model ${name}; for example one of ${known}`);
}
