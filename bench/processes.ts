import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const children: ChildProcess[] = [];
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});

async function start(args: string[], env: NodeJS.ProcessEnv, ready: RegExp): Promise<RegExpExecArray> {
  const child = spawn(process.execPath, args, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  const ended = once(child, 'close').then(() => {
    throw new Error(`${args[0]} ended before it was ready`);
  });
  ended.catch(() => {});
  let output = '';
  for (;;) {
    const [chunk] = (await Promise.race([once(child.stdout, 'data'), ended])) as [Buffer];
    output += chunk;
    const match = ready.exec(output);
    if (!match) continue;
    child.stdout.resume();
    return match;
  }
}

export interface BenchProvider {
  /** With `/v1`. */
  url: string;
  env: Record<string, string>;
  /** Calls since the last time this was asked. */
  calls(): Promise<number>;
}

export async function startBenchProvider(delayMs: number): Promise<BenchProvider> {
  const file = fileURLToPath(new URL('./provider.ts', import.meta.url));
  const [port] = await start(['--import', 'tsx', file, String(delayMs)], {}, /^\d+/);
  const origin = `http://127.0.0.1:${port}`;
  return {
    url: `${origin}/v1`,
    env: { OPENAI_API_KEY: 'sk-bench', OPENAI_BASE_URL: `${origin}/v1` },
    calls: async () => Number(await (await fetch(`${origin}/calls`)).text()),
  };
}

/** The built server in a process of its own. @returns its address. */
export async function startServer(env: NodeJS.ProcessEnv): Promise<string> {
  const file = fileURLToPath(new URL('../dist/cli/bin.js', import.meta.url));
  const [, url] = await start([file, 'serve'], { PORT: '0', ...env }, /(http:\/\/[\d.:]+)\/graphql/);
  return url!;
}

/** Bare Yoga in a process of its own. @returns its address. */
export async function startBareYoga(): Promise<string> {
  const [, url] = await startScript('bare-yoga.ts', [], /(http:\/\/[\d.:]+)\/graphql/);
  return url!;
}

/** A script of this folder in a process of its own, once it has printed what `ready` matches. */
export function startScript(name: string, args: readonly string[], ready: RegExp): Promise<RegExpExecArray> {
  const file = fileURLToPath(new URL(`./${name}`, import.meta.url));
  return start(['--import', 'tsx', file, ...args], { NODE_ENV: 'production' }, ready);
}

/** One figure of a server's `/metrics`. */
export async function metric(url: string, name: string): Promise<number> {
  const metrics = await (await fetch(`${url}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\S+)`, 'm').exec(metrics)![1]);
}

/** Sends an operation and gives back its data. @throws where it has errors. */
export async function graphql(
  url: string,
  query: string,
  variables?: object,
): Promise<Record<string, unknown>> {
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = (await response.json()) as {
    data: Record<string, unknown>;
    errors?: Array<{ message: string }>;
  };
  if (errors) throw new Error(errors[0]!.message);
  return data;
}
