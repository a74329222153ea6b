// Interactive requests under a running job: the 95th percentile while a job of a hundred thousand texts runs, over that of
// the same requests at rest, in the same run. Eight clients send one new text each, one after the other, to a provider that
// takes 50 ms a call; the server keeps jobs and vectors in a folder.
//   npm run bench:jobs [-- --local]   with the local model in place of the provider
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { post } from './http-client.ts';
import { graphql, startBenchProvider, startServer } from './processes.ts';
import { machine, print, table } from './report.ts';

const isLocal = process.argv.includes('--local');
const providerMs = 50;
const clients = isLocal ? 1 : 8;
const pauseMs = isLocal ? 100 : 0;
const seconds = 8;
const rounds = 3;

const folder = await mkdtemp(path.join(tmpdir(), 'embedql-bench-jobs-'));
const provider = await startBenchProvider(providerMs);
const model = isLocal ? 'all-MiniLM-L6-v2' : 'text-embedding-3-small';
const server = await startServer({
  ...provider.env,
  EMBEDQL_CACHE_DIR: folder,
  EMBEDQL_MAX_TEXTS: '100000',
  EMBEDQL_MAX_BODY_BYTES: '100000000',
  LOG_LEVEL: 'info',
});

let texts = 0;
const query = 'mutation($t: String!, $m: String) { embed(text: $t, model: $m) { embeddingBase64 } }';
const body = () => JSON.stringify({ query, variables: { t: `a new text of somebody ${++texts}`, m: model } });

/** Milliseconds of each request, over some seconds. */
async function load(): Promise<number[]> {
  const taken: number[] = [];
  const until = performance.now() + seconds * 1_000;
  await Promise.all(
    Array.from({ length: clients }, async () => {
      while (performance.now() < until) {
        const started = performance.now();
        await post(`${server}/graphql`, body());
        taken.push(performance.now() - started);
        if (pauseMs > 0) await sleep(pauseMs);
      }
    }),
  );
  return taken.sort((a, b) => a - b);
}

const at = (taken: readonly number[], share: number) => taken[Math.floor(taken.length * share)]!;

interface Job {
  id: string;
  done: number;
}

async function startJob(round: number): Promise<string> {
  const corpus = Array.from({ length: 100_000 }, (_, i) => `text ${i} of the corpus of round ${round}`);
  const created = await graphql(
    server,
    'mutation ($input: EmbeddingJobInput!) { createEmbeddingJob(input: $input) { id } }',
    { input: { texts: corpus, model } },
  );
  return (created['createEmbeddingJob'] as Job).id;
}

async function doneOf(id: string): Promise<number> {
  const { embeddingJob } = await graphql(server, `{ embeddingJob(id: "${id}") { done } }`);
  return (embeddingJob as Job).done;
}

await load();
const rows: string[][] = [];
const ratios: number[] = [];
for (let round = 0; round < rounds; round++) {
  const idle = await load();
  const id = await startJob(round);
  while ((await doneOf(id)) === 0) await sleep(50);
  const before = await doneOf(id);
  const busy = await load();
  const perSecond = ((await doneOf(id)) - before) / seconds;
  await graphql(server, `mutation { cancelEmbeddingJob(id: "${id}") { id } }`);
  await sleep(2_000);
  const ratio = at(busy, 0.95) / at(idle, 0.95);
  ratios.push(ratio);
  rows.push([
    String(round + 1),
    ...[at(idle, 0.5), at(idle, 0.95), at(busy, 0.5), at(busy, 0.95)].map((ms) => ms.toFixed(1)),
    ratio.toFixed(2),
    String(Math.round(idle.length / seconds)),
    String(Math.round(busy.length / seconds)),
    String(Math.round(perSecond)),
  ]);
}
print(
  `${machine()}; ${isLocal ? model : `a provider that takes ${providerMs} ms a call`}; ${clients} clients`,
);
table(
  [
    'round',
    'rest p50, ms',
    'p95',
    'job p50, ms',
    'p95',
    'ratio',
    'requests/s',
    'with job',
    "the job's texts/s",
  ],
  rows,
);
print(
  `p95 with a job over p95 at rest: ${ratios.toSorted((a, b) => a - b)[Math.floor(rounds / 2)]!.toFixed(2)} (median)`,
);
await rm(folder, { recursive: true, force: true });
process.exit(0);
