import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { ConfigError } from '../config/config.ts';
import type { ModelSpec } from '../core/model.ts';
import type { Provider } from '../providers/provider.ts';
import { EntryError, parse, readEntry } from './entry.ts';

const fileSchema = z.strictObject({ models: z.array(z.unknown()) });

/**
 * Reads `EMBEDQL_MODELS_FILE`. An entry with the name of a built-in model takes its place.
 * @throws ConfigError with the path of what is wrong.
 */
export function readModelsFile(file: string, providers: readonly Provider[]): ModelSpec[] {
  const where = `EMBEDQL_MODELS_FILE: ${file}`;
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    const reason = error instanceof SyntaxError ? `is not JSON (${error.message})` : 'cannot be read';
    throw new ConfigError(`${where} ${reason}; for example {"models": []}`);
  }
  try {
    const models = parse(fileSchema, json, []).models.map((entry, i) =>
      readEntry(entry, providers, ['models', i]),
    );
    for (const [i, { name }] of models.entries()) {
      const first = models.findIndex((spec) => spec.name === name);
      if (first < i) throw new EntryError(['models', i, 'name'], `is the name of models[${first}] too`);
    }
    return models;
  } catch (error) {
    if (!(error instanceof EntryError)) throw error;
    throw new ConfigError(`${where}: ${error.message}; see docs/operations/models.md of the package embedql`);
  }
}
