import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const command = fileURLToPath(new URL('../../dist/cli/bin.js', import.meta.url));

export interface Finished {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface Running {
  process: ChildProcess;
  /** What it has printed so far. */
  stdout(): string;
  /** Resolves with the match once the output has it. */
  printed(pattern: RegExp): Promise<RegExpExecArray>;
  finished: Promise<Finished>;
}

/** The built command in a process of its own. */
export function runEmbedQL(args: readonly string[], env: NodeJS.ProcessEnv = {}, cwd?: string): Running {
  const { HOME, PATH, EMBEDQL_MODELS_DIR } = process.env;
  const child = spawn(process.execPath, [command, ...args], {
    cwd,
    env: { HOME, PATH, EMBEDQL_MODELS_DIR, ...env },
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk;
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk;
  });
  const finished = once(child, 'close').then(
    ([code]): Finished => ({ code: code as number | null, stdout, stderr }),
  );
  return {
    process: child,
    stdout: () => stdout,
    finished,
    async printed(pattern) {
      for (;;) {
        const match = pattern.exec(stdout);
        if (match) return match;
        if (child.exitCode !== null) throw new Error(`ended without printing ${pattern}: ${stdout}${stderr}`);
        await Promise.race([once(child.stdout, 'data'), finished]);
      }
    },
  };
}

/** A server in a process of its own, on a free port. */
export async function serveEmbedQL(env: NodeJS.ProcessEnv = {}): Promise<Running & { url: string }> {
  const running = runEmbedQL(['serve'], { PORT: '0', ...env });
  const [, url] = await running.printed(/(http:\/\/[\d.:[\]]+)\/graphql/);
  return { ...running, url: url! };
}

const gcOnSignal = `
  import v8 from 'node:v8';
  import vm from 'node:vm';
  v8.setFlagsFromString('--expose-gc');
  const gc = vm.runInNewContext('gc');
  process.on('SIGUSR2', () => gc());`;

/** NODE_OPTIONS of a process that runs a module of its own before everything else. */
export function preload(module: string): string {
  return `--import=data:text/javascript,${encodeURIComponent(module)}`;
}

/** What a server has logged, from its stdout. */
export function logLines(stdout: string): Array<Record<string, unknown>> {
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

/** NODE_OPTIONS of a process whose garbage can be collected from outside. */
export const collectable = preload(gcOnSignal);

/** The metrics of a `collectable` server, once its garbage is collected. */
export async function metricsOfLiveObjects(
  server: Running & { url: string },
): Promise<(name: string) => number> {
  server.process.kill('SIGUSR2');
  await new Promise((resolve) => setTimeout(resolve, 500));
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  return (name) => Number(new RegExp(`^${name} (\\S+)`, 'm').exec(metrics)?.[1]);
}
