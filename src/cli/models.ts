import type { Config } from '../config/config.ts';
import type { ModelSpec } from '../core/model.ts';
import type { Environment } from '../core/surroundings.ts';
import { modelSpecs } from '../models/specs.ts';
import { findWeights } from '../providers/local/weights/folder.ts';
import { keyVariable } from '../providers/openai/key-variable.ts';
import { table } from './table.ts';

const columns = ['NAME', 'PROVIDER', 'DIMENSION', 'TOKENS', 'BATCH', 'USD/1K TOKENS', 'STATE'];

/** The catalogue as a table. */
export async function listModels(config: Config, env: Environment): Promise<string> {
  const rows = await Promise.all(
    modelSpecs(config).map(async (spec) => [
      spec.name,
      spec.provider,
      String(spec.dimension),
      String(spec.maxInputTokens),
      String(spec.maxBatchSize),
      spec.costPer1kTokens === null
        ? 'not known'
        : spec.costPer1kTokens === 0
          ? 'free'
          : spec.costPer1kTokens.toFixed(5),
      await stateOf(spec, config, env),
    ]),
  );
  return table(columns, rows);
}

async function stateOf(spec: ModelSpec, config: Config, env: Environment): Promise<string> {
  if (spec.provider === 'local') {
    const weights = await findWeights(config.modelsDir, spec);
    return weights ? `weights are here (${weights.dtype})` : `not fetched yet: embedql pull ${spec.name}`;
  }
  const key = keyVariable(spec);
  return key === undefined || env[key] ? 'ready' : `needs ${key}`;
}
