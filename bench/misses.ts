// What a server in front of the provider costs those who ask for new texts only, and what it saves in calls: 64 connections,
// each with one new text at a time, through /v1/embeddings; the same load sent to the provider itself is the baseline.
//   npm run bench:misses [seconds a row]
import autocannon from 'autocannon';
import { post } from './http-client.ts';
import { type BenchProvider, startBenchProvider, startServer } from './processes.ts';
import { machine, median, milliseconds, print, table } from './report.ts';

const seconds = Number(process.argv[2] ?? 6);
const rounds = 3;
const connections = 64;
let texts = 0;
const body = () =>
  JSON.stringify({
    model: 'text-embedding-3-small',
    input: `new text ${++texts}`,
    encoding_format: 'base64',
  });

interface Load {
  textsPerSecond: number;
  p50: number;
  callsPerText: number;
}

/** @param url with `/v1` */
async function load(url: string, provider: BenchProvider): Promise<Load> {
  await provider.calls();
  const { requests, latency, duration, errors, non2xx } = await autocannon({
    url: `${url}/embeddings`,
    connections,
    duration: seconds,
    requests: [
      {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        setupRequest: (request) => ({ ...request, body: body() }),
      },
    ],
  });
  if (errors + non2xx > 0) throw new Error(`${errors} errors, ${non2xx} answers that are none`);
  const answered = requests.total;
  return {
    textsPerSecond: answered / duration,
    p50: latency.p50,
    callsPerText: (await provider.calls()) / answered,
  };
}

print(`${machine()}; ${connections} connections, one new text each; median of ${rounds} rounds in turns`);
const rows: string[][] = [];
for (const delayMs of [20, 200]) {
  const provider = await startBenchProvider(delayMs);
  const server = await startServer({ ...provider.env, EMBEDQL_CACHE_TTL: '60' });
  await load(`${server}/v1`, provider);
  const pairs: Array<{ bare: Load; ours: Load }> = [];
  for (let round = 0; round < rounds; round++)
    pairs.push({ bare: await load(provider.url, provider), ours: await load(`${server}/v1`, provider) });
  const middle = (figure: (pair: (typeof pairs)[number]) => number) =>
    median(rounds, async (round) => figure(pairs[round]!));
  const ratio = await middle(({ bare, ours }) => ours.textsPerSecond / bare.textsPerSecond);
  const callsPerText = await middle(({ ours }) => ours.callsPerText);
  const alone = async (url: string) => {
    const times = await median(50, () => milliseconds(() => post(`${url}/embeddings`, body())));
    return times;
  };
  const [bareAlone, oursAlone] = [await alone(provider.url), await alone(`${server}/v1`)];
  rows.push([
    String(delayMs),
    (await middle(({ bare }) => bare.textsPerSecond)).toFixed(0),
    (await middle(({ ours }) => ours.textsPerSecond)).toFixed(0),
    ratio.toFixed(2),
    (await middle(({ bare }) => bare.p50)).toFixed(0),
    (await middle(({ ours }) => ours.p50)).toFixed(0),
    `1/${(1 / callsPerText).toFixed(0)}`,
    (oursAlone - bareAlone).toFixed(1),
  ]);
}
table(
  [
    'provider, ms',
    'no server, a second',
    'ours, a second',
    'ratio',
    'p50 without, ms',
    'p50 ours, ms',
    'calls a text',
    'a text alone: over the provider, ms',
  ],
  rows,
);
process.exit(0);
