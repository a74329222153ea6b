// What people run beside us, measured in one go: sentence-transformers and fastembed behind a tiny server, infinity, LiteLLM's
// proxy, and no server at all.
//   npm run bench:peers [-- local hits misses memory start] [--seconds 4]
// Peers are Python packages, pinned in bench/peers/requirements, installed once under node_modules/.cache. Who cannot be
// installed or started is told with the reason and left out.
import { parseArgs } from 'node:util';
import { type Candidate, gatewayCandidates, localCandidates } from './peers/catalogue.ts';
import { findPython } from './peers/python.ts';
import { cached, type Launch, local, missed, printLaunches, rounds, weigh } from './peers/rows.ts';
import { type Running, type Server, start } from './peers/running.ts';
import { startBenchProvider } from './processes.ts';
import { machine, print } from './report.ts';

const all = ['local', 'hits', 'misses', 'memory', 'start'] as const;
type Row = (typeof all)[number];
/** Of the stand-in provider. */
const providerMs = 20;

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { seconds: { type: 'string', default: '4' } },
});
const seconds = Number(values.seconds);
const unknown = positionals.find((name) => !all.includes(name as Row));
if (unknown !== undefined || !(seconds >= 1)) {
  process.stderr.write(
    unknown === undefined
      ? '--seconds takes a number from 1 on\n'
      : `${unknown} is no row; there are ${all.join(', ')}\n`,
  );
  process.exit(1);
}
const chosen = new Set<Row>(positionals.length > 0 ? (positionals as Row[]) : all);

const python = findPython();
if (!python) {
  print('bench:peers is skipped: it requires Python 3.10 or later with venv and pip');
  process.exit(0);
}

const left = new Map<string, string>();
print(`${machine()}; ${seconds} s a measurement`);
const provider = await startBenchProvider(providerMs);
const computing = localCandidates(python);
const gateways = gatewayCandidates(python, provider);

if (chosen.has('local')) await together(computing, (servers) => local(servers, seconds));
if (chosen.has('hits') || chosen.has('misses'))
  await together(gateways, async (servers) => {
    if (chosen.has('hits')) await cached(servers, provider, seconds);
    if (chosen.has('misses')) await missed(servers, provider, seconds);
  });
if (chosen.has('start') || chosen.has('memory'))
  await launches([...computing.filter(({ name }) => name !== 'sentence-transformers'), ...gateways]);
if (left.size > 0) {
  print('\nleft out');
  for (const [name, reason] of left) print(`${name}: ${reason}`);
}
process.exit(0);

/** `work` over all that start, ours first, at the same time: idle ones cost nothing but memory. */
async function together(
  candidates: readonly Candidate[],
  work: (servers: readonly Running[]) => Promise<void>,
): Promise<void> {
  const servers: Running[] = [];
  for (const candidate of candidates) {
    const server = prepared(candidate);
    const running = server && (await started(server));
    if (running) servers.push(running);
  }
  await work(servers);
  await Promise.all(servers.map(({ stop }) => stop()));
}

/** Each by itself, in turns. */
async function launches(candidates: readonly Candidate[]): Promise<void> {
  const servers = candidates.map(prepared).filter((server) => server !== undefined);
  const of = new Map<Server, Launch[]>(servers.map((server) => [server, []]));
  const times = chosen.has('start') ? rounds : 1;
  for (let round = 0; round < times; round++)
    for (const server of servers) {
      const running = await started(server);
      if (!running) continue;
      const weighed = chosen.has('memory') && round === times - 1;
      of.get(server)!.push(
        weighed
          ? await weigh(running, seconds)
          : { startedMs: running.startedMs, restMb: Number.NaN, loadedMb: Number.NaN },
      );
      await running.stop();
    }
  await printLaunches(
    [...of]
      .filter(([, each]) => each.length > 0)
      .map(([{ name, weights }, each]) => ({ name, weights, of: each })),
    { start: chosen.has('start'), memory: chosen.has('memory') },
  );
}

function prepared(candidate: Candidate): Server | undefined {
  if (left.has(candidate.name)) return undefined;
  try {
    return candidate.prepare();
  } catch (error) {
    leave(candidate.name, error);
    return undefined;
  }
}

async function started(server: Server): Promise<Running | undefined> {
  if (left.has(server.name)) return undefined;
  try {
    return await start(server);
  } catch (error) {
    leave(server.name, error);
    return undefined;
  }
}

function leave(name: string, error: unknown): void {
  if (name.startsWith('ours')) throw error;
  left.set(name, error instanceof Error ? error.message : String(error));
}
