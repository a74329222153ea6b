import { toEmbedQLError } from '../../core/errors.ts';
import type { EmbeddingModel } from '../../core/model.ts';
import { sendError, sendJson } from '../../http/respond.ts';
import type { Handler } from '../../http/route.ts';
import type { Services } from '../services.ts';
import { availableModels, modelNamed, notAvailable } from './availability.ts';
import { openaiErrors } from './errors.ts';
import { setFacts } from './headers.ts';

export const modelsPath = '/v1/models';

/** `GET /v1/models` and `GET /v1/models/<name>`: those that can be asked. A name may have slashes in it. */
export function createModelsHandler({ catalogue, nameOption }: Services): Handler {
  const shape = openaiErrors(nameOption);
  return (_request, response, { path }) => {
    const started = performance.now();
    try {
      const name = nameIn(path);
      const answer =
        name === ''
          ? { object: 'list', data: availableModels(catalogue).map(describe) }
          : describe(find(name));
      setFacts(response, { started });
      sendJson(response, 200, answer);
    } catch (error) {
      setFacts(response, { started });
      sendError(response, toEmbedQLError(error), { shape });
    }
  };

  function find(name: string): EmbeddingModel {
    const model = modelNamed(name, catalogue);
    if (model.status().available) return model;
    throw notAvailable(model, catalogue, 'MODEL_NOT_FOUND');
  }
}

/** What follows `/models/` in a path, without the slashes around it. */
function nameIn(path: string): string {
  const behind = path.slice(path.indexOf('/models') + '/models'.length);
  const encoded = behind
    .split('/')
    .filter((part) => part !== '')
    .join('/');
  try {
    return decodeURIComponent(encoded);
  } catch {
    // No model has a name that cannot be read.
    return encoded;
  }
}

function describe({ spec }: EmbeddingModel) {
  return { id: spec.name, object: 'model', created: 0, owned_by: spec.provider };
}
