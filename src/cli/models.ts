import type { Config, Environment } from '../config/config.ts';
import type { ModelSpec } from '../embedder/model.ts';
import { findWeights } from '../providers/local/weights/folder.ts';
import { table } from './table.ts';

const columns = ['NAME', 'PROVIDER', 'DIMENSION', 'TOKENS', 'BATCH', 'USD/1K TOKENS', 'STATE'];

/** The catalogue as a table. */
export async function listModels(
  specs: readonly ModelSpec[],
  config: Config,
  env: Environment,
): Promise<string> {
  const rows = await Promise.all(
    specs.map(async (spec) => [
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
  const key = spec.apiKeyEnv ?? (spec.baseUrl === undefined ? 'OPENAI_API_KEY' : undefined);
  return key === undefined || env[key] ? 'ready' : `needs ${key}`;
}
