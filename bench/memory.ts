// The memory of a server at rest and under load, as a gateway and with the local model: whether it grows without end, and up to what.
//   npm run bench:memory [-- minutes]
// Both take the load at the same time: 64 connections, half of the texts new; of the local model 16, and lists of 40 among them.

import { post } from './http-client.ts';
import { load } from './load.ts';
import { metric, startBenchProvider, startServer } from './processes.ts';
import { machine, print, table } from './report.ts';

const minutes = Number(process.argv[2] ?? 10);
const looks = 10;
const restMs = 15_000;

interface Look {
  residentMb: number;
  heapMb: number;
  outsideMb: number;
}

async function look(url: string): Promise<Look> {
  const mb = async (name: string) => (await metric(url, name)) / 2 ** 20;
  return {
    residentMb: await mb('process_resident_memory_bytes'),
    heapMb: await mb('nodejs_heap_size_used_bytes'),
    outsideMb: await mb('nodejs_external_memory_bytes'),
  };
}

/** @returns what it weighs at rest, after each tenth of the load, and at rest again */
async function weigh(url: string, connections: number, body: () => string): Promise<Look[]> {
  await post(`${url}/v1/embeddings`, body());
  await rest();
  const seen = [await look(url)];
  for (let n = 0; n < looks; n++) {
    await load(`${url}/v1/embeddings`, connections, (60 * minutes) / looks, body);
    seen.push(await look(url));
  }
  await rest();
  seen.push(await look(url));
  return seen;
}

const rest = () => new Promise((resolve) => setTimeout(resolve, restMs));
const words = 'the server turns many small questions into few large calls and gives every answer back'.split(
  ' ',
);
let texts = 0;
const newText = () => `${words.slice(texts % 5).join(' ')} ${++texts}`;
const knownText = () => `known text ${texts % 500}`;

const provider = await startBenchProvider(20);
const gateway = await startServer(provider.env);
const small = await startServer({ ...provider.env, EMBEDQL_MEMORY_CACHE_MB: '16' });
const local = await startServer({ OPENAI_API_KEY: '' });

let turn = 0;
const toProvider = () =>
  JSON.stringify({
    model: 'text-embedding-3-small',
    input: turn++ % 2 ? newText() : knownText(),
    encoding_format: 'base64',
  });
const toLocal = () =>
  JSON.stringify({
    model: 'all-MiniLM-L6-v2',
    input: turn++ % 8 ? newText() : Array.from({ length: 40 }, newText),
    encoding_format: 'base64',
  });
const rows = await Promise.all([
  weigh(gateway, 64, toProvider),
  weigh(small, 64, toProvider),
  weigh(local, 16, toLocal),
]);

print(`${machine()}; ${minutes} minutes of load on all of them at once`);
const mb = (look: Look) =>
  `${look.residentMb.toFixed(0)} (${look.heapMb.toFixed(0)}, ${look.outsideMb.toFixed(0)})`;
table(
  [
    'resident MB (heap, outside of it)',
    'at rest',
    'after a tenth',
    'after half',
    'at the end',
    'at rest again',
  ],
  ['gateway', 'gateway, 16 MB of vectors', 'local model'].map((name, i) => {
    const seen = rows[i]!;
    return [name, ...[0, 1, looks / 2, looks, looks + 1].map((at) => mb(seen[at]!))];
  }),
);
process.exit(0);
