// From `npm start` (built before, weights present) to the first answered embed, and the memory at rest and with the model.
//   npm run bench:start
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { post } from './http-client.ts';
import { metric } from './processes.ts';
import { machine, median, milliseconds, print, table } from './report.ts';

interface Start {
  listeningMs: number;
  answeredMs: number;
  restMb: number;
  loadedMb: number;
}

const rounds = 5;
const commands: Array<[string, string, string[]]> = [
  ['npm start', 'npm', ['start', '--silent']],
  ['node dist/cli/bin.js', process.execPath, ['dist/cli/bin.js']],
];
print(machine());
const rows: string[][] = [];
for (const [name, command, args] of commands) {
  const starts: Start[] = [];
  for (let round = 0; round < rounds; round++) starts.push(await start(command, args));
  const middle = (of: keyof Start) => median(rounds, async (i) => starts[i]![of]);
  rows.push([
    name,
    (await middle('listeningMs')).toFixed(0),
    (await middle('answeredMs')).toFixed(0),
    (await middle('restMb')).toFixed(0),
    (await middle('loadedMb')).toFixed(0),
  ]);
}
table(['', 'listening, ms', 'first embed, ms', 'MB at rest', 'MB with the model'], rows);
process.exit(0);

async function start(command: string, args: string[]): Promise<Start> {
  const began = performance.now();
  const child = spawn(command, args, {
    env: { ...process.env, PORT: '0', OPENAI_API_KEY: '' },
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  let output = '';
  let url: string | undefined;
  while (!url) {
    output += (await once(child.stdout, 'data'))[0];
    url = /(http:\/\/[\d.:]+)\/graphql/.exec(output)?.[1];
  }
  const listeningMs = performance.now() - began;
  const embed = JSON.stringify({ query: 'mutation { embed(text: "first") { dimension } }' });
  const restMb = await residentMb(url);
  const embedMs = await milliseconds(() => post(`${url}/graphql`, embed));
  const loadedMb = await residentMb(url);
  process.kill(-child.pid!, 'SIGTERM');
  await once(child, 'close');
  return { listeningMs, answeredMs: listeningMs + embedMs, restMb, loadedMb };
}

async function residentMb(url: string): Promise<number> {
  return (await metric(url, 'process_resident_memory_bytes')) / 1e6;
}
