import type { Config } from '../config/config.ts';
import type { ModelStatus } from '../core/model.ts';
import { type Environment, silentLog, silentProgress } from '../core/surroundings.ts';
import { loadProviders } from '../models/providers.ts';
import { modelSpecs } from '../models/specs.ts';
import { openModel } from '../providers/open.ts';
import { table } from './table.ts';

const columns = ['NAME', 'PROVIDER', 'DIMENSION', 'TOKENS', 'BATCH', 'USD/1K TOKENS', 'STATE'];

/** The catalogue as a table. Each model's provider says how it is. @throws ConfigError, EmbedQLError */
export async function listModels(config: Config, env: Environment): Promise<string> {
  const providers = await loadProviders(config.providers);
  const context = { env, modelsDir: config.modelsDir, log: silentLog, progress: silentProgress };
  const rows = await Promise.all(
    modelSpecs(config, providers).map(async (spec) => {
      const model = openModel(spec, providers, context);
      const status = await (model.inspect?.() ?? model.status());
      await model.close();
      return [
        spec.name,
        spec.provider,
        String(spec.dimension),
        String(spec.maxInputTokens),
        String(spec.maxBatchSize),
        price(spec.costPer1kTokens),
        stateOf(status),
      ];
    }),
  );
  return table(columns, rows);
}

function price(costPer1kTokens: number | null): string {
  if (costPer1kTokens === null) return 'not known';
  return costPer1kTokens === 0 ? 'free' : costPer1kTokens.toFixed(5);
}

function stateOf({ available, reason, note }: ModelStatus): string {
  return note ?? (available ? 'ready' : (reason ?? 'not available'));
}
