import type { Logger } from 'pino';
import type { Environment } from '../core/surroundings.ts';
import { createServer } from '../server.ts';
import { createProgress } from './progress.ts';

/**
 * Runs the server until a signal: SIGTERM or SIGINT finish the requests in flight, a second one ends at
 * once. @returns the exit code. @throws ConfigError
 */
export async function serve(env: Environment, log: Logger): Promise<number> {
  const server = await createServer({ env, log, progress: createProgress(log) });
  const stopped = stopSignal(log);
  // A file may grow no further (`ulimit -f`): whoever writes it gets an error. Without a listener here signal-exit, which comes
  // with proper-lockfile, ends the process.
  if (process.platform !== 'win32') process.on('SIGXFSZ', () => {});
  const address = await Promise.race([server.listen(), stopped]);
  // Told to stop while weights were still being fetched.
  if (typeof address === 'number') return address;
  const exitCode = await stopped;
  await server.close();
  log.info('stopped');
  return exitCode;
}

/** A terminal and npm both pass Ctrl-C on, so one that follows this closely is the same one. */
const sameSignalMs = 300;

/** Resolves with the exit code when the process is asked to end. */
function stopSignal(log: Logger): Promise<number> {
  return new Promise((resolve) => {
    let askedAt: number | undefined;
    const stop = (exitCode: number, reason: string) => {
      if (askedAt !== undefined) {
        if (performance.now() - askedAt > sameSignalMs) process.exit(exitCode || 1);
        return;
      }
      askedAt = performance.now();
      log.info({ reason }, 'stopping: finishing what is in flight');
      resolve(exitCode);
    };
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop(0, signal));
    for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
      process.on(event, (error: unknown) => {
        log.fatal({ err: error }, event);
        stop(1, event);
      });
    }
  });
}
