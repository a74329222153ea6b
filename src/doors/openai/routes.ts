import type { Log } from '../../core/surroundings.ts';
import type { Elsewhere } from '../../http/dispatch.ts';
import type { Route } from '../../http/route.ts';
import type { Services } from '../services.ts';
import { batchesPath, createBatchesHandler } from './batches.ts';
import { createEmbeddingsHandler } from './embeddings.ts';
import { embeddingsPath } from './embeddings-path.ts';
import { openaiErrors } from './errors.ts';
import { createFilesHandler, filesPath } from './files.ts';
import { createModelsHandler, modelsPath } from './models.ts';

/** What OpenAI's clients ask for, also those whose base URL lacks `/v1`. */
export function openaiRoutes(
  services: Services,
  { maxBodyBytes, transferTimeoutMs }: { maxBodyBytes: number; transferTimeoutMs: number },
  log: Log,
): Route[] {
  const errors = openaiErrors(services.nameOption);
  return [
    {
      path: embeddingsPath,
      aliases: aliasesOf(embeddingsPath),
      methods: ['POST'],
      guarded: true,
      errors,
      handle: createEmbeddingsHandler(services, maxBodyBytes, log),
    },
    {
      path: modelsPath,
      aliases: aliasesOf(modelsPath),
      below: true,
      guarded: true,
      errors,
      handle: createModelsHandler(services),
    },
    {
      path: filesPath,
      aliases: aliasesOf(filesPath),
      below: true,
      methods: ['GET', 'HEAD', 'POST', 'DELETE'],
      guarded: true,
      errors,
      handle: createFilesHandler(services, transferTimeoutMs, log),
    },
    {
      path: batchesPath,
      aliases: aliasesOf(batchesPath),
      below: true,
      methods: ['GET', 'HEAD', 'POST'],
      guarded: true,
      errors,
      handle: createBatchesHandler(services, maxBodyBytes, log),
    },
  ];
}

function aliasesOf(path: string): string[] {
  const short = path.replace('/v1', '');
  return [`${path}/`, short, `${short}/`];
}

/** Where OpenAI's clients look for what is not here, and read errors in its shape. */
export function openaiElsewhere(services: Pick<Services, 'nameOption'>): Elsewhere {
  return {
    below: [
      '/v1',
      ...['embeddings', 'models', 'chat', 'completions', 'responses', 'engines'].map((name) => `/${name}`),
    ],
    errors: openaiErrors(services.nameOption),
    message: `Of OpenAI's API this server has the embeddings: try POST ${embeddingsPath}, GET ${modelsPath}, ${filesPath}, or ${batchesPath}.`,
  };
}
