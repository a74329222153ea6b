import type { Config } from '../config/config.ts';
import { modelNotFound, specNamed } from '../core/catalogue.ts';
import { badUserInput } from '../core/errors.ts';
import type { ModelSpec } from '../core/model.ts';
import type { Environment } from '../core/surroundings.ts';
import { loadProviders } from '../models/providers.ts';
import { modelSpecs } from '../models/specs.ts';
import { openModel } from '../providers/open.ts';
import { createLog } from '../telemetry/pino.ts';
import { createProgress } from './progress.ts';

/** Has a model fetch what it needs on this machine. @returns what to tell. @throws ConfigError, EmbedQLError */
export async function pullModel(name: string, config: Config, env: Environment): Promise<string> {
  const providers = await loadProviders(config.providers);
  const specs = modelSpecs(config, providers);
  const log = createLog(config.logLevel);
  const context = { env, modelsDir: config.modelsDir, log, progress: createProgress(log) };
  const open = (spec: ModelSpec) => openModel(spec, providers, context);

  const spec = specNamed(specs, name);
  if (!spec) {
    throw modelNotFound(
      name,
      specs.map((known) => known.name),
    );
  }
  const model = open(spec);
  try {
    if (model.pull) return `${spec.name} ${await model.pull()}.\n`;
    const others = specs.filter((other) => open(other).pull).map((other) => other.name);
    throw badUserInput(
      `${spec.name} runs remotely, so there is nothing to pull; local models: ${others.join(', ')}.`,
    );
  } finally {
    await model.close();
  }
}
