// Hostile requests, one after another, against a server in a process of its own: how each is answered, how long the event
// loop is held in one piece, and how much memory the process takes at its peak. What is printed for an input is the worst of
// three. Ends with 1 where a request gets no answer, or an error of ours.
//   npm run bench:hostile
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { hostileRequests } from '../test/support/hostile.ts';
import { preload, serveEmbedQL } from '../test/support/processes.ts';
import { startProvider } from '../test/support/provider-server.ts';
import { machine, print, table } from './report.ts';

/** Prints what has been measured since the last time, and collects garbage. */
const measure = `
  import { monitorEventLoopDelay } from 'node:perf_hooks';
  import v8 from 'node:v8';
  import vm from 'node:vm';
  v8.setFlagsFromString('--expose-gc');
  const gc = vm.runInNewContext('gc');
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  let peak = 0;
  let begun = process.cpuUsage();
  const look = () => { peak = Math.max(peak, process.memoryUsage.rss()); };
  setInterval(look, 5).unref();
  process.on('SIGUSR2', () => {
    look();
    const { user, system } = process.cpuUsage(begun);
    console.log('measured ' + JSON.stringify({ blockMs: delay.max / 1e6, cpuMs: (user + system) / 1e3, peakMb: peak / 1e6 }));
    gc();
    peak = 0;
    setTimeout(() => { delay.reset(); begun = process.cpuUsage(); console.log('ready'); }, 50);
  });`;

const provider = await startProvider();
const server = await serveEmbedQL({
  ...provider.env,
  NODE_OPTIONS: preload(measure),
  EMBEDQL_MEMORY_CACHE_MB: '16',
});

interface Measured {
  blockMs: number;
  /** Of all threads, garbage collection included. */
  cpuMs: number;
  peakMb: number;
}

let seen = 0;
async function measured(): Promise<Measured> {
  server.process.kill('SIGUSR2');
  for (;;) {
    const output = server.stdout();
    if (output.indexOf('ready\n', seen) !== -1) {
      const [, json] = /measured (.*)/.exec(output.slice(seen))!;
      seen = output.length;
      return JSON.parse(json!) as Measured;
    }
    await Promise.race([once(server.process.stdout!, 'data'), sleep(1_000)]);
  }
}

/** What JSON.parse takes for it here: the one thing that cannot be cut. */
function parseMs(body: string): number {
  const started = performance.now();
  JSON.parse(body);
  return performance.now() - started;
}

await fetch(`${server.url}/graphql`, {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ query: 'mutation { embed(text: "warm") { tokens } }' }),
});
const rows: string[][] = [];
/** Default: 3. */
const rounds = Number(process.argv.find((argument) => /^\d+$/.test(argument)) ?? 3);
let failed = 0;
for (const { name, path, headers, body } of hostileRequests()) {
  let worst: Measured = { blockMs: 0, cpuMs: 0, peakMb: 0 };
  let told = '';
  for (let round = 0; round < rounds; round++) {
    await measured();
    try {
      const response = await fetch(server.url + path, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body,
        signal: AbortSignal.timeout(60_000),
      });
      const answer = await response.text();
      const [, code] = /"code":"(\w+)"/.exec(answer.slice(0, 2_000)) ?? [];
      told = `${response.status} ${code ?? `${(answer.length / 1e6).toFixed(2)} MB`}`;
      if (response.status >= 500 || code === 'INTERNAL_SERVER_ERROR') failed += 1;
    } catch (error) {
      told = `none: ${error instanceof Error ? error.message : error}`;
      failed += 1;
    }
    const now = await measured();
    worst = {
      blockMs: Math.max(worst.blockMs, now.blockMs),
      cpuMs: Math.max(worst.cpuMs, now.cpuMs),
      peakMb: Math.max(worst.peakMb, now.peakMb),
    };
    if (server.process.exitCode !== null) break;
  }
  rows.push([
    name,
    (body.length / 1e6).toFixed(2),
    told,
    worst.blockMs.toFixed(0),
    worst.cpuMs.toFixed(0),
    parseMs(body).toFixed(0),
    worst.peakMb.toFixed(0),
  ]);
  if (process.argv.includes('-v')) print(rows.at(-1)!.join(' | '));
}
print(`Hostile requests, the worst of three each, ${machine()}`);
table(
  [
    'input',
    'MB sent',
    'answer',
    'longest block, ms',
    'processor, ms',
    'JSON.parse of it, ms',
    'peak memory, MB',
  ],
  rows,
);
server.process.kill('SIGTERM');
const { code } = await server.finished;
await provider.close();
process.exit(failed > 0 || code !== 0 ? 1 : 0);
