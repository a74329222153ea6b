import type { Catalogue } from '../../core/catalogue.ts';
import { modelNotFound } from '../../core/catalogue.ts';
import { EmbedQLError, type ErrorCode } from '../../core/errors.ts';
import type { EmbeddingModel } from '../../core/model.ts';

/** The models that can be asked. */
export function availableModels(catalogue: Catalogue): EmbeddingModel[] {
  return catalogue.all().filter((model) => model.status().available);
}

/** The model of that name or alias; the default without one. @throws EmbedQLError MODEL_NOT_FOUND, naming what can be asked */
export function modelNamed(name: string | undefined, catalogue: Catalogue): EmbeddingModel {
  try {
    return catalogue.get(name);
  } catch (error) {
    if (name === undefined || !(error instanceof EmbedQLError)) throw error;
    throw modelNotFound(name, namesOf(catalogue));
  }
}

/**
 * A model that this server has no key for, told to somebody who has set a key of their own, in their client, and cannot
 * set the server's.
 */
export function notAvailable(model: EmbeddingModel, catalogue: Catalogue, code: ErrorCode): EmbedQLError {
  const { name } = model.spec;
  const [, variable] = /^needs (\w+)$/.exec(model.status().note ?? '') ?? [];
  const what = variable === undefined ? `cannot answer for ${name}` : `has no key for ${name}`;
  const names = namesOf(catalogue);
  const others = names.length === 0 ? 'no model can be asked here' : `it can answer: ${names.join(', ')}`;
  const remedy = variable === undefined ? '' : ` Whoever runs it sets ${variable} there.`;
  return new EmbedQLError(code, `This server ${what}; ${others}.${remedy}`);
}

function namesOf(catalogue: Catalogue): string[] {
  return availableModels(catalogue).map(({ spec }) => spec.name);
}
