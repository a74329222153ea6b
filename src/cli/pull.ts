import type { Config } from '../config/config.ts';
import { badUserInput } from '../core/errors.ts';
import { shortName } from '../core/model.ts';
import type { Environment } from '../core/surroundings.ts';
import { modelSpecs } from '../models/specs.ts';
import { localSources } from '../providers/local/index.ts';
import { provisionWeights } from '../providers/local/weights/provision.ts';
import { createLog } from '../telemetry/pino.ts';
import { createProgress } from './progress.ts';

/** Makes the weights of a local model be there. @returns what to tell. @throws EmbedQLError */
export async function pullModel(name: string, config: Config, env: Environment): Promise<string> {
  const local = modelSpecs(config).filter(({ provider }) => provider === 'local');
  const spec = local.find((candidate) => candidate.name === shortName(name));
  if (!spec) {
    throw badUserInput(
      `There are weights to pull only for local models: ${local.map((model) => model.name).join(', ')}.`,
    );
  }
  const log = createLog(config.logLevel);
  const { directory, dtype } = await provisionWeights(spec, {
    modelsDir: config.modelsDir,
    sources: localSources(env),
    log,
    progress: createProgress(log),
  });
  return `${spec.name} is in ${directory} (${dtype}).\n`;
}
