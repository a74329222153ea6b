import { execFileSync } from 'node:child_process';
import { createProgress } from '../../src/cli/progress.ts';
import { readConfig } from '../../src/config/config.ts';
import { localSources } from '../../src/providers/local/index.ts';
import { provisionWeights } from '../../src/providers/local/weights/provision.ts';
import { createLog } from '../../src/telemetry/pino.ts';
import { miniLM } from './mini-lm.ts';

/** Builds what runs outside of the test runner (the worker, the command) and fetches the real local model, once. */
export default async function globalSetup(): Promise<void> {
  execFileSync('npm', ['run', '--silent', 'build'], { stdio: 'inherit' });
  const config = readConfig(process.env);
  const log = createLog('info', false);
  const sources = localSources(process.env);
  await provisionWeights(miniLM, {
    modelsDir: config.modelsDir,
    sources,
    log,
    progress: createProgress(log),
  });
}
