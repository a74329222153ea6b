// What a server in front of the provider costs those who ask for new texts only, and what it saves in calls: 64 connections,
// each with one new text at a time, through /v1/embeddings; the same load sent to the provider itself is the baseline.
//   npm run bench:misses [seconds a row]
import { post } from './http-client.ts';
import { load } from './load.ts';
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

interface Misses {
  textsPerSecond: number;
  p50: number;
  callsPerText: number;
}

/** @param url with `/v1` */
async function misses(url: string, provider: BenchProvider): Promise<Misses> {
  await provider.calls();
  const { perSecond, p50, answered } = await load(`${url}/embeddings`, connections, seconds, body);
  return { textsPerSecond: perSecond, p50, callsPerText: (await provider.calls()) / answered };
}

print(`${machine()}; ${connections} connections, one new text each; median of ${rounds} rounds in turns`);
const rows: string[][] = [];
for (const delayMs of [20, 200]) {
  const provider = await startBenchProvider(delayMs);
  const server = await startServer({ ...provider.env, EMBEDQL_CACHE_TTL: '60' });
  await misses(`${server}/v1`, provider);
  const pairs: Array<{ bare: Misses; ours: Misses }> = [];
  for (let round = 0; round < rounds; round++)
    pairs.push({ bare: await misses(provider.url, provider), ours: await misses(`${server}/v1`, provider) });
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
