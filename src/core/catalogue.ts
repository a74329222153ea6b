import { EmbedQLError } from './errors.ts';
import type { EmbeddingModel, ModelSpec } from './model.ts';
import { meant } from './nearest.ts';

/** The models that can be asked for, by name. */
export class Catalogue {
  readonly #models: readonly EmbeddingModel[];
  readonly #byName: ReadonlyMap<string, EmbeddingModel>;
  readonly defaultModel: EmbeddingModel;

  /** @throws EmbedQLError MODEL_NOT_FOUND when the default is not among the models. */
  constructor(models: readonly EmbeddingModel[], defaultName: string) {
    this.#models = models;
    const aliases = models.flatMap((model) =>
      (model.spec.aliases ?? []).map((alias): [string, EmbeddingModel] => [alias, model]),
    );
    const names = models.map((model): [string, EmbeddingModel] => [model.spec.name, model]);
    // A name is stronger than another model's alias.
    this.#byName = new Map([...aliases, ...names]);
    this.defaultModel = this.get(defaultName);
  }

  all(): EmbeddingModel[] {
    return [...this.#models];
  }

  /** The model of that name or alias, the default without one. @throws EmbedQLError MODEL_NOT_FOUND */
  get(name?: string | null): EmbeddingModel {
    if (name === undefined || name === null) return this.defaultModel;
    const model = this.#byName.get(name);
    if (model) return model;
    throw modelNotFound(
      name,
      this.#models.map(({ spec }) => spec.name),
    );
  }
}

/** The specification of that name, or the one that has it as an alias. */
export function specNamed(specs: readonly ModelSpec[], name: string): ModelSpec | undefined {
  return specs.find((spec) => spec.name === name) ?? specs.find(({ aliases }) => aliases?.includes(name));
}

/** MODEL_NOT_FOUND, with the known name that was probably meant. */
export function modelNotFound(name: string, known: readonly string[]): EmbedQLError {
  const near = meant(name, known);
  const hint = near === undefined ? '' : ` Did you mean ${near}?`;
  return new EmbedQLError(
    'MODEL_NOT_FOUND',
    `There is no model of that name.${hint} Known models: ${known.join(', ')}.`,
  );
}
