// A server to measure in a process of its own: started, asked for a vector, weighed, stopped.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { lastLine } from './python.ts';

const startMs = 90_000;
/** One attempt to get a vector. */
const attemptMs = 10_000;
const stopMs = 5_000;
const pollMs = 10;
const logCharacters = 20_000;

export interface Server {
  name: string;
  /** What it computes with, for the table. */
  weights: string;
  model: string;
  /** Sent with each request, for those who require a key. */
  headers?: Record<string, string>;
  /** Where its OpenAI-compatible routes begin: `/v1`, or nothing. */
  prefix: string;
  command(port: number): { file: string; args: readonly string[]; env: NodeJS.ProcessEnv; cwd?: string };
}

export interface Running {
  server: Server;
  /** The address that embeddings are asked of. */
  url: string;
  /** From the start of the process to the first vector, milliseconds. */
  startedMs: number;
  /** The first vector. */
  vector: readonly number[];
  /** Resident memory of the process and those that it started, MB. */
  residentMb(): number;
  stop(): Promise<void>;
}

const children = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

/** @throws with the server's own last words where it ends, or gives no vector within a minute and a half. */
export async function start(server: Server): Promise<Running> {
  const port = await freePort();
  const { file, args, env, cwd } = server.command(port);
  // One line a server, so that a wait has a name.
  process.stderr.write(`starting ${server.name}\n`);
  const began = performance.now();
  const child = spawn(file, args, {
    env: { ...process.env, ...env },
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.add(child);
  let log = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      log = (log + chunk).slice(-logCharacters);
    });
  let ended = false;
  const closed = once(child, 'exit').then(
    () => {
      ended = true;
    },
    (error: Error) => {
      log += error.message;
      ended = true;
    },
  );
  const url = `http://127.0.0.1:${port}${server.prefix}/embeddings`;
  const stop = async () => {
    child.kill('SIGTERM');
    await Promise.race([closed, wait(stopMs, undefined, { ref: false })]);
    child.kill('SIGKILL');
    await closed;
    children.delete(child);
  };
  let said = '';
  while (!ended && performance.now() - began < startMs) {
    const answer = await firstVector(url, server).catch(() => undefined);
    if (typeof answer === 'object')
      return {
        server,
        url,
        startedMs: performance.now() - began,
        vector: answer,
        residentMb: () => residentMb(child.pid!),
        stop,
      };
    said = answer ?? said;
    await wait(pollMs);
  }
  // Its last words may still be under way.
  await wait(10 * pollMs);
  const reason = ended ? lastLine(log) : said || `no vector within ${startMs / 1_000} s`;
  await stop();
  throw new Error(reason);
}

/** A vector; words where the server answers without one. @throws where nobody listens. */
async function firstVector(url: string, { model, headers }: Server): Promise<readonly number[] | string> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ model, input: 'the first sentence', encoding_format: 'base64' }),
    signal: AbortSignal.timeout(attemptMs),
  });
  const text = await response.text();
  if (!response.ok) return `HTTP ${response.status}: ${text.slice(0, 160)}`;
  const { data } = JSON.parse(text) as { data: Array<{ embedding: string | number[] }> };
  const embedding = data[0]?.embedding;
  if (typeof embedding !== 'string') return embedding ?? 'an answer without a vector';
  const bytes = Buffer.from(embedding, 'base64');
  return Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatLE(4 * i));
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (typeof address !== 'object' || !address) throw new Error('no free port');
  return address.port;
}

function residentMb(pid: number): number {
  const processes = execFileSync('ps', ['-A', '-o', 'pid=,ppid=,rss='], { encoding: 'utf8' })
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number) as [number, number, number]);
  const family = new Set([pid]);
  // Children may be listed before their parents.
  for (let before = 0; before !== family.size; ) {
    before = family.size;
    for (const [id, parent] of processes) if (family.has(parent)) family.add(id);
  }
  return processes.reduce((sum, [id, , kb]) => sum + (family.has(id) ? kb / 1_000 : 0), 0);
}
