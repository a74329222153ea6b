import { toEmbedQLError } from '../../core/errors.ts';
import type { EmbeddingModel } from '../../core/model.ts';
import { sendError, sendJson } from '../../http/respond.ts';
import type { Handler } from '../../http/route.ts';
import type { Services } from '../services.ts';
import { openaiErrors } from './errors.ts';

export const modelsPath = '/v1/models';

/** `GET /v1/models` and `GET /v1/models/<name>`: those that can be asked. */
export function createModelsHandler({ catalogue, nameOption }: Services): Handler {
  const shape = openaiErrors(nameOption);
  return (_request, response, { path }) => {
    if (path === modelsPath) {
      const available = catalogue.all().filter((model) => model.status().available);
      return sendJson(response, 200, { object: 'list', data: available.map(describe) });
    }
    try {
      sendJson(response, 200, describe(catalogue.get(decoded(path.slice(modelsPath.length + 1)))));
    } catch (error) {
      sendError(response, toEmbedQLError(error), { shape });
    }
  };
}

function decoded(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    // No model has a name that cannot be read.
    return name;
  }
}

function describe({ spec }: EmbeddingModel) {
  return { id: spec.name, object: 'model', created: 0, owned_by: spec.provider };
}
