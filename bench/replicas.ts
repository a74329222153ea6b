// Whether replicas pay for a text once, however slow the provider.
//   npm run bench:replicas [runs]
// Four processes on a single Redis, then on a cluster of three nodes, and a provider that takes two seconds. All of them are asked
// for the same 200 new texts at once; then again while the process that computes them is killed. Printed: how often the
// provider got each text (once; at most twice where its holder was killed), and how long the slowest answer took.
import { type Running, serveEmbedQL } from '../test/support/processes.ts';
import { startProvider } from '../test/support/provider-server.ts';
import { startCluster, startRedis } from '../test/support/redis-server.ts';
import { graphql } from './processes.ts';
import { machine, milliseconds, print, table } from './report.ts';

type Server = Running & { url: string };

const runs = Number(process.argv[2] ?? 10);
const replicas = 4;
const textsPerRun = 200;
const query =
  'mutation($texts: [String!]!) { embedBatch(texts: $texts) { totalEmbeddings cachedCount embeddingsBase64 } }';
const provider = await startProvider({ delayMs: 2_000 });
const rows: Array<Array<string | number>> = [];
/** What a replica logs when Redis has not answered in time: from then on it computes for itself. */
const isAway = 'Redis is unreachable';
let rounds = 0;
/** Whether some text was paid for more often than it may be. */
let wrong = false;

print(machine());
const single = await startRedis();
await measure('single Redis', single.url);
await single.stop();
const cluster = await startCluster();
await measure('cluster of three', cluster.urls);
await cluster.stop();
await provider.close();
print(`\n${replicas} processes, a provider of 2 s`);
table(
  ['Redis', 'case', 'runs', 'texts', 'inputs a text', 'calls a run', 'seconds, median', 'most', 'Redis away'],
  rows,
);
if (wrong) process.exitCode = 1;

async function measure(name: string, redisUrl: string): Promise<void> {
  const launch = () => startReplica(redisUrl);
  const servers = await Promise.all(Array.from({ length: replicas }, launch));
  const together = await repeat((texts) => Promise.all(servers.map((server) => ask(server, texts))));
  const timesAway = () => servers.reduce((sum, { stdout }) => sum + stdout().split(isAway).length - 1, 0);
  rows.push([name, 'all at once', ...summary(together, 1), timesAway()]);
  const killed = await repeat(async (texts) => {
    const [holder, ...others] = servers;
    // What the holder would have answered dies with it.
    const lost = ask(holder!, texts).catch(() => {});
    await untilSent(textsPerRun);
    const waiting = others.map((server) => ask(server, texts));
    await new Promise((resolve) => setTimeout(resolve, 300));
    holder!.process.kill('SIGKILL');
    await Promise.all(waiting);
    await lost;
    servers[0] = await launch();
  });
  rows.push([name, 'holder killed', ...summary(killed, 2), timesAway()]);
  for (const server of servers) server.process.kill('SIGKILL');
  await Promise.all(servers.map(({ finished }) => finished));
}

async function startReplica(redisUrl: string): Promise<Server> {
  const env = { ...provider.env, REDIS_URL: redisUrl, EMBEDQL_DEFAULT_MODEL: 'text-embedding-3-small' };
  const server = await serveEmbedQL(env);
  for (;;) {
    const { health } = await graphql(server.url, '{ health { status cacheBackend } }');
    const { status, cacheBackend } = health as { status: string; cacheBackend: string };
    if (status === 'OK' && cacheBackend === 'redis') return server;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function ask(server: Server, texts: readonly string[]): Promise<void> {
  const { embedBatch } = await graphql(server.url, query, { texts });
  const { totalEmbeddings } = embedBatch as { totalEmbeddings: number };
  if (totalEmbeddings !== texts.length)
    throw new Error(`${totalEmbeddings} vectors for ${texts.length} texts`);
}

async function untilSent(count: number): Promise<void> {
  while (provider.calls.reduce((sum, { input }) => sum + input.length, 0) < count)
    await new Promise((resolve) => setTimeout(resolve, 10));
}

interface Run {
  /** How often the provider got each text. */
  inputs: number[];
  calls: number;
  seconds: number;
}

async function repeat(work: (texts: readonly string[]) => Promise<unknown>): Promise<Run[]> {
  const results: Run[] = [];
  for (let run = 0; run < runs; run++) {
    rounds += 1;
    provider.forget();
    const texts = Array.from({ length: textsPerRun }, (_, i) => `text ${i} of round ${rounds}`);
    const seconds = (await milliseconds(() => work(texts))) / 1_000;
    const inputs = new Map(texts.map((text) => [text, 0]));
    for (const { input } of provider.calls)
      for (const text of input) inputs.set(text, (inputs.get(text) ?? 0) + 1);
    results.push({ inputs: [...inputs.values()], calls: provider.calls.length, seconds });
  }
  return results;
}

function summary(results: readonly Run[], allowed: number): Array<string | number> {
  const inputs = results.flatMap((run) => run.inputs);
  const [least, most] = [Math.min(...inputs), Math.max(...inputs)];
  const calls = results.map((run) => run.calls);
  if (least < 1 || most > allowed) wrong = true;
  const seconds = results.map((run) => run.seconds).sort((a, b) => a - b);
  return [
    results.length,
    inputs.length,
    `${least} to ${most}`,
    `${Math.min(...calls)} to ${Math.max(...calls)}`,
    seconds[Math.floor(seconds.length / 2)]!.toFixed(1),
    seconds.at(-1)!.toFixed(1),
  ];
}
