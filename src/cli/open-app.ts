import { type App, createApp } from '../app.ts';
import { type Config, ConfigError } from '../config/config.ts';
import type { Environment, Progress } from '../core/surroundings.ts';
import { createLog } from '../telemetry/pino.ts';
import { createProgress } from './progress.ts';

/** Nobody waits for an answer here, and what is taken for missing is paid for, or counts as paid: the cache may take its time. */
export const patientWaitMs = 30_000;

export interface OpenApp {
  readonly app: App;
  /** The name of the key that it asks with. */
  readonly key: string;
  readonly progress: Progress;
}

/**
 * Opens everything but the server, for a command that asks for the texts of a file. Whoever opens it closes it.
 * @param named the name of the key whose cache it is
 * @throws ConfigError
 */
export async function openApp(named: string | undefined, config: Config, env: Environment): Promise<OpenApp> {
  const key = keyOfCache(named, config);
  const log = createLog(config.logLevel);
  const progress = createProgress(log);
  const app = await createApp({
    ...{ config, env, log, progress },
    cacheWaitMs: patientWaitMs,
    runsJobs: false,
  });
  return { app, key, progress };
}

/**
 * The name of the key that a command asks with: what it pays is booked on it, and its cache is the one where each key has its
 * own.
 * @throws ConfigError where it has to be said, or there is no such key
 */
function keyOfCache(named: string | undefined, config: Config): string {
  const names = [...config.apiKeys, ...config.adminKeys].map(({ name }) => name);
  if (named !== undefined) {
    if (named === 'anonymous' || names.includes(named)) return named;
    throw new ConfigError(
      `--key: EMBEDQL_API_KEYS has no key of the name ${named}; for example --key ${names[0] ?? 'anonymous'}`,
    );
  }
  if (config.cacheScope === 'shared') return 'warm';
  throw new ConfigError(
    `--key: must be set where EMBEDQL_CACHE_SCOPE is key, because each key has a cache of its own; for example --key ${names[0] ?? 'anonymous'}`,
  );
}
