import { execFileSync } from 'node:child_process';
import { createProgress } from '../../src/cli/progress.ts';
import { readConfig } from '../../src/config/config.ts';
import { modelSpecs } from '../../src/models/specs.ts';
import { localSources } from '../../src/providers/local/index.ts';
import { provisionWeights } from '../../src/providers/local/weights/provision.ts';
import { createLog } from '../../src/telemetry/pino.ts';

/** Builds what runs outside of the test runner (the worker, the command) and fetches the real local model, once. */
export default async function globalSetup(): Promise<void> {
  execFileSync('npm', ['run', '--silent', 'build'], { stdio: 'inherit' });
  const config = readConfig(process.env);
  const spec = modelSpecs({ modelsFile: undefined }).find(({ name }) => name === 'all-MiniLM-L6-v2')!;
  const log = createLog('info', false);
  const sources = localSources(process.env);
  await provisionWeights(spec, { modelsDir: config.modelsDir, sources, log, progress: createProgress(log) });
}
