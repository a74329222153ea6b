// What coalescing saves: aliases of one operation, and requests at the same time, against a provider that takes
// 20 ms a call; "without" sends every text in an operation and a call of its own. Server and provider are processes
// of their own.
//   npm run bench:coalescing
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { graphql, startBareYoga, startBenchProvider, startServer } from './processes.ts';
import { machine, median, milliseconds, print, table } from './report.ts';

const delayMs = 20;
const concurrency = 8;
const rounds = 7;
const provider = await startBenchProvider(delayMs);
const models = [
  // The same provider with calls that carry one text, and with vectors that weigh nothing.
  {
    name: 'uncoalesced',
    id: 'text-embedding-3-small',
    provider: 'openai',
    dimension: 1_536,
    maxBatchSize: 1,
  },
  { name: 'tiny', provider: 'openai', dimension: 8 },
];
const modelsFile = `${await mkdtemp(`${tmpdir()}/embedql-bench-`)}/models.json`;
await writeFile(modelsFile, JSON.stringify({ models }));
const server = await startServer({
  ...provider.env,
  EMBEDQL_MAX_TEXTS: '100000',
  EMBEDQL_MODELS_FILE: modelsFile,
  EMBEDQL_PROVIDER_CONCURRENCY: String(concurrency),
});
const bareYoga = await startBareYoga();

let texts = 0;
function aliases(n: number, model = 'text-embedding-3-small'): string {
  const field = (_: unknown, i: number) =>
    `a${i}: embed(text: "bench text ${++texts}", model: "${model}") { dimension }`;
  return `mutation { ${Array.from({ length: n }, field).join(' ')} }`;
}

/** One text after another: what serial root fields come to when nothing looks ahead. */
async function oneByOne(n: number): Promise<void> {
  for (let i = 0; i < n; i++) await graphql(server, aliases(1, 'uncoalesced'));
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
for (let i = 0; i < 40; i++) {
  await graphql(server, aliases(100));
  await graphql(server, aliases(100, 'tiny'));
  await graphql(bareYoga, aliases(100));
}
const single = await measure(() => graphql(server, aliases(1)), 15);

print('\naliases in one operation');
const rows: Array<Array<string | number>> = [];
for (const n of [1, 10, 100, 1_000]) {
  // A large document takes another way than a small one, which has to be compiled, too.
  for (let warm = 0; warm < 15; warm++) await graphql(server, aliases(n));
  const ours = await measure(() => graphql(server, aliases(n)));
  const light = await measure(() => graphql(server, aliases(n, 'tiny')));
  const floor = await measure(() => graphql(bareYoga, aliases(n)));
  // A thousand one by one take half a minute; a tenth of them, ten times.
  const share = n === 1_000 ? 10 : 1;
  const serial = await measure(() => oneByOne(n / share), n >= 100 ? 1 : 3);
  const providerMs = delayMs * Math.ceil(ours.calls / concurrency);
  const perField = (ms: number) => (n === 1 ? '–' : `${(((ms - providerMs) * 1_000) / n).toFixed(0)} µs`);
  rows.push([
    n,
    ours.calls,
    serial.calls * share,
    ours.ms.toFixed(1),
    `${((serial.ms * share) / ours.ms).toFixed(1)}×`,
    `${(ours.ms / single.ms).toFixed(2)}×`,
    `${Math.round((100 * providerMs) / ours.ms)} %`,
    perField(ours.ms),
    perField(light.ms),
    perField(floor.ms + providerMs),
  ]);
}
table(
  [
    'aliases',
    'calls',
    'without',
    'ms',
    'faster',
    'of one call',
    'provider share',
    'over it, a field',
    '8 numbers',
  ],
  rows,
);
print(
  'over it: what is not the provider, client and transport included, with vectors of 1,536 and of 8 numbers',
);

print('\nrequests at the same time, one text each');
const concurrent: Array<Array<string | number>> = [];
for (const n of [1, 16, 64, 256]) {
  const together = (model?: string) =>
    Promise.all(Array.from({ length: n }, () => graphql(server, aliases(1, model))));
  const ours = await measure(() => together());
  const without = await measure(() => together('uncoalesced'));
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
