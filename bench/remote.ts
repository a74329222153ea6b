// Misses of a remote model: what a request takes over the provider's own 20 ms, and provider calls for each text, when 1, 64
// and 1,000 requests with one new text each come at the same time.
//   npm run bench:remote
import { post } from './http-client.ts';
import { startBenchProvider, startScript, startServer } from './processes.ts';
import { machine, median, milliseconds, print, table } from './report.ts';

const providerMs = 20;
const provider = await startBenchProvider(providerMs);
const server = await startServer(provider.env);
const [bare] = await startScript('bare-http.ts', [], /http:\/\/[\d.:]+/);
let texts = 0;
const body = () =>
  JSON.stringify({
    query: 'mutation($t: String!) { embed(text: $t) { embeddingBase64 } }',
    variables: { t: `new text ${++texts}` },
  });
await post(`${bare}/set`, await post(`${server}/graphql`, body()));
for (let warm = 0; warm < 300; warm++) await post(`${server}/graphql`, body());
await provider.calls();

const rows: string[][] = [];
for (const [atOnce, rounds] of [
  [1, 50],
  [64, 30],
  [1_000, 7],
] as const) {
  const wave = (url: string) => Promise.all(Array.from({ length: atOnce }, () => post(url, body())));
  // The same requests, answered from nowhere: what the client and the transport take.
  const transport = await median(rounds, () => milliseconds(() => wave(`${bare}/`)));
  await provider.calls();
  const ours = await median(rounds, () => milliseconds(() => wave(`${server}/graphql`)));
  const calls = (await provider.calls()) / rounds;
  rows.push([
    String(atOnce),
    ours.toFixed(1),
    transport.toFixed(1),
    (ours - providerMs - transport).toFixed(1),
    (((ours - providerMs - transport) * 1_000) / atOnce).toFixed(0),
    calls.toFixed(1),
    (calls / atOnce).toFixed(3),
  ]);
}
print(`${machine()}; a provider that takes ${providerMs} ms a call`);
table(
  ['requests at once', 'ms', 'node:http, ms', 'the rest, ms', 'µs a request', 'calls', 'calls a text'],
  rows,
);
process.exit(0);
