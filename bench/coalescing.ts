// What coalescing saves: aliases of one operation, and requests at the same time, against a provider that takes
// 20 ms a call; "without" sends every text in an operation and a call of its own. Server and provider are processes
// of their own.
//   npm run bench:coalescing
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { graphql, startBenchProvider, startServer } from './processes.ts';
import { machine, median, milliseconds, print, table } from './report.ts';

const delayMs = 20;
const rounds = 5;
const provider = await startBenchProvider(delayMs);
const server = await startServer({ ...provider.env, EMBEDQL_MAX_TEXTS: '100000' });
let texts = 0;

const aliases = (n: number) => {
  const fields = Array.from(
    { length: n },
    (_, i) => `a${i}: embed(text: "bench text ${++texts}") { dimension }`,
  );
  return `mutation { ${fields.join(' ')} }`;
};

/** One text at a time in one operation: what serial root fields come to when nothing looks ahead. */
async function oneByOne(n: number): Promise<void> {
  for (let i = 0; i < n; i++) await graphql(server, aliases(1));
}

async function measure(work: () => Promise<unknown>, times = rounds): Promise<{ ms: number; calls: number }> {
  let calls = 0;
  const ms = await median(times, async () => {
    await provider.calls();
    const taken = await milliseconds(work);
    calls = await provider.calls();
    return taken;
  });
  return { ms, calls };
}

print(`${machine()}; provider ${delayMs} ms; median of ${rounds}`);
for (let i = 0; i < 20; i++) await graphql(server, aliases(100));
const single = await measure(() => graphql(server, aliases(1)), 15);

print('\naliases in one operation');
const rows: Array<Array<string | number>> = [];
for (const n of [1, 10, 100, 1_000]) {
  const ours = await measure(() => graphql(server, aliases(n)));
  // A thousand one by one take half a minute; a tenth of them, ten times.
  const serialShare = n === 1_000 ? 10 : 1;
  const serial = await measure(() => oneByOne(n / serialShare), n >= 100 ? 1 : 3);
  rows.push([
    n,
    ours.calls,
    serial.calls * serialShare,
    ours.ms.toFixed(1),
    `${((serial.ms * serialShare) / ours.ms).toFixed(1)}×`,
    `${(ours.ms / single.ms).toFixed(2)}×`,
    `${Math.round((100 * delayMs) / ours.ms)} %`,
    n === 1 ? '–' : `${(((ours.ms - single.ms) * 1_000) / n).toFixed(0)} µs`,
  ]);
}
table(['aliases', 'calls', 'without', 'ms', 'faster', 'of one call', 'provider share', 'per field'], rows);

print('\nrequests at the same time, one text each');
const concurrent: Array<Array<string | number>> = [];
const separate = await startServer({
  ...provider.env,
  EMBEDQL_BATCH_WINDOW_MS: '0',
  EMBEDQL_MODELS_FILE: await singleTextModel(),
});
for (const n of [1, 16, 64, 256]) {
  const together = (to: string) => Promise.all(Array.from({ length: n }, () => graphql(to, aliases(1))));
  const ours = await measure(() => together(server));
  const without = await measure(() => together(separate));
  concurrent.push([
    n,
    ours.calls,
    without.calls,
    ours.ms.toFixed(1),
    `${(without.ms / ours.ms).toFixed(1)}×`,
    `${Math.round((100 * delayMs) / ours.ms)} %`,
  ]);
}
table(['requests', 'calls', 'without', 'ms', 'faster', 'provider share'], concurrent);

process.exit(0);

/** The same model, with calls that carry one text. */
async function singleTextModel(): Promise<string> {
  const file = `${await mkdtemp(`${tmpdir()}/embedql-bench-`)}/models.json`;
  const model = { name: 'text-embedding-3-small', provider: 'openai', dimension: 1_536, maxBatchSize: 1 };
  await writeFile(file, JSON.stringify({ models: [model] }));
  return file;
}
