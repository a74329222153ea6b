// Misses of a local model, all-MiniLM-L6-v2 in this process, against the least that they can cost.
//   npm run bench:local
// Throughput: texts a second through HTTP (64 clients with one text each, and one batch of 1,000 of mixed lengths), against
// a bare ONNX Runtime session on the same cores, fed packed batches that were tokenised before.
// Event loop: its delay while inference is saturated, and how many hits are served meanwhile.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { directory } from '@embedql/all-minilm-l6-v2';
import autocannon from 'autocannon';
import { post } from './http-client.ts';
import { metric, startServer } from './processes.ts';
import { machine, median, milliseconds, print, table } from './report.ts';

const rounds = 3;
/** Node looks at its event loop every 10 ms, and counts those in (perf_hooks.monitorEventLoopDelay). */
const resolutionMs = 10;
const seconds = Number(process.argv[2] ?? 8);
const words =
  'the server turns many small questions into few large calls and gives every answer back to whoever asked for it'.split(
    ' ',
  );
/** From five words to a hundred, most of them short, as sentences and paragraphs are. All different. */
const mixed = (i: number, round: number) =>
  wordsFrom(i * 3 + round, 5 + ((i * 7) % 20) + (i % 10 === 0 ? 75 : 0), `${round} ${i}`);
const sentence = (i: number) => wordsFrom(i * 5, 18, String(i));
function wordsFrom(from: number, count: number, id: string): string {
  return `${Array.from({ length: count }, (_, n) => words[(from + n * 7) % words.length]).join(' ')} ${id}`;
}
const thousand = (round: number) => Array.from({ length: 1_000 }, (_, i) => mixed(i, round));

const server = await startServer({ EMBEDQL_CACHE: 'on' });
const embedBody = (text: string, useCache: boolean) =>
  JSON.stringify({
    query: 'mutation($t: String!, $c: Boolean!) { embed(text: $t, useCache: $c) { embeddingBase64 } }',
    variables: { t: text, c: useCache },
  });
const embedOne = (text: string, useCache: boolean) => post(`${server}/graphql`, embedBody(text, useCache));
const embedMany = (texts: readonly string[]) =>
  post(
    `${server}/graphql`,
    JSON.stringify({
      query: 'mutation($t: [String!]!) { embedBatch(texts: $t, useCache: false) { embeddingsBase64 } }',
      variables: { t: texts },
    }),
  );
await embedOne('warm', false);

print(machine());
await throughput();
await eventLoop();
process.exit(0);

async function throughput(): Promise<void> {
  const sentences = Array.from({ length: 640 }, (_, i) => sentence(i * 10));
  const onnx = await startOnnx();
  const floors = { sentences: [] as number[], mixed: [] as number[] };
  const ours = { sentences: [] as number[], mixed: [] as number[] };
  for (let round = 0; round < rounds; round++) {
    floors.sentences.push(await onnx(sentences));
    ours.sentences.push(await clients(64, seconds, (n) => embedOne(sentence(n), false)));
    floors.mixed.push(await onnx(thousand(round)));
    ours.mixed.push(1_000 / ((await milliseconds(() => embedMany(thousand(round)))) / 1_000));
  }
  const middle = (rates: number[]) => median(rounds, async (i) => rates[i]!);
  print(`\ntexts a second, median of ${rounds}`);
  const rows: string[][] = [];
  for (const [name, kind] of [
    ['64 clients, one sentence each', 'sentences'],
    ['one batch of 1,000, mixed lengths', 'mixed'],
  ] as const) {
    const [floor, own] = [await middle(floors[kind]), await middle(ours[kind])];
    rows.push([name, floor.toFixed(0), own.toFixed(0), (own / floor).toFixed(2)]);
  }
  table(['', 'bare ONNX Runtime', 'through HTTP', 'ratio'], rows);
}

async function eventLoop(): Promise<void> {
  await embedOne('a hit', true);
  const idle = await hits(seconds);
  await lagP99();
  let saturated = true;
  const load = Array.from({ length: 64 }, async (_, client) => {
    for (let n = 0; saturated; n++) await embedOne(sentence(client * 100_000 + n), false);
  });
  await hits(1);
  await lagP99();
  // Nobody but the misses: how late the event loop is.
  await new Promise((resolve) => setTimeout(resolve, seconds * 1_000));
  const lag = await lagP99();
  const busy = await hits(seconds);
  saturated = false;
  await Promise.all(load);
  print(`\nwhile 64 clients keep the model busy: event loop delay p99 ${lag.toFixed(1)} ms`);
  print(
    `hits a second, 4 clients: idle ${idle.toFixed(0)}, meanwhile ${busy.toFixed(0)}, ratio ${(busy / idle).toFixed(2)}`,
  );
}

/** Hits a second of four clients, in a thread of their own: whoever asks for the misses is not to slow them down. */
async function hits(forSeconds: number): Promise<number> {
  const { requests, errors, non2xx } = await autocannon({
    url: `${server}/graphql`,
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: embedBody('a hit', true),
    connections: 4,
    duration: forSeconds,
    workers: 1,
  });
  if (errors + non2xx > 0) throw new Error(`${errors} errors, ${non2xx} answers that are none`);
  return requests.average;
}

/** Milliseconds that the server's event loop was late, since the last time this was asked. */
async function lagP99(): Promise<number> {
  return (await metric(server, 'nodejs_eventloop_lag_p99_seconds')) * 1_000 - resolutionMs;
}

/** How often a second `work` is done by so many clients, each after the other. */
async function clients(
  count: number,
  forSeconds: number,
  work: (n: number) => Promise<unknown>,
): Promise<number> {
  let done = 0;
  let started = 0;
  const start = performance.now();
  const end = start + forSeconds * 1_000;
  await Promise.all(
    Array.from({ length: count }, async () => {
      while (performance.now() < end) {
        await work(started++);
        done++;
      }
    }),
  );
  return (done * 1_000) / (performance.now() - start);
}

/** A bare session in a process of its own: texts in, texts a second out. */
async function startOnnx(): Promise<(texts: readonly string[]) => Promise<number>> {
  const file = fileURLToPath(new URL('./bare-onnx.ts', import.meta.url));
  const child = spawn(
    process.execPath,
    ['--import', 'tsx', file, directory, path.join(directory, 'onnx/model_int8.onnx')],
    {
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  );
  process.on('exit', () => child.kill('SIGKILL'));
  const lines = createInterface(child.stdout);
  await once(lines, 'line');
  return async (texts) => {
    child.stdin.write(`${JSON.stringify(texts)}\n`);
    const [line] = await once(lines, 'line');
    return Number(line);
  };
}
