import { distance } from 'fastest-levenshtein';
import { EmbedQLError } from './errors.ts';
import { type EmbeddingModel, shortName } from './model.ts';

/** The models that can be asked for, by name. */
export class Catalogue {
  readonly #byName: ReadonlyMap<string, EmbeddingModel>;
  readonly defaultModel: EmbeddingModel;

  /** @throws EmbedQLError MODEL_NOT_FOUND when the default is not among the models. */
  constructor(models: readonly EmbeddingModel[], defaultName: string) {
    this.#byName = new Map(models.map((model) => [model.spec.name, model]));
    this.defaultModel = this.get(defaultName);
  }

  all(): EmbeddingModel[] {
    return [...this.#byName.values()];
  }

  /** The model of that name, the default without one. @throws EmbedQLError MODEL_NOT_FOUND, naming the known. */
  get(name?: string | null): EmbeddingModel {
    if (name === undefined || name === null) return this.defaultModel;
    const model = this.#byName.get(name) ?? this.#sentenceTransformers(name);
    if (model) return model;
    const known = [...this.#byName.keys()];
    const nearest = known.find((candidate) => distance(candidate, name) <= 2);
    const hint = nearest ? ` Did you mean ${nearest}?` : '';
    throw new EmbedQLError(
      'MODEL_NOT_FOUND',
      `There is no model of that name.${hint} Known models: ${known.join(', ')}.`,
    );
  }

  /** Local models answer to the name that the hub knows them by, too. */
  #sentenceTransformers(name: string): EmbeddingModel | undefined {
    const short = shortName(name);
    const model = short === name ? undefined : this.#byName.get(short);
    return model?.spec.provider === 'local' ? model : undefined;
  }
}
