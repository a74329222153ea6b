// Counts that cannot be noisy: provider calls, round trips to Redis, bytes stored and sent. Ends with 1 where one is not
// what it has to be; CI runs it.
//   npm run bench:check
import { spawnSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { startRedis } from '../test/support/redis-server.ts';
import { post } from './http-client.ts';
import { graphql, startBenchProvider, startServer } from './processes.ts';
import { print, table } from './report.ts';

const dimension = 1_536;
const provider = await startBenchProvider(20);
const redisServer = await startRedis();
const redis = new Redis(redisServer.port, '127.0.0.1');
const server = await startServer({ ...provider.env, REDIS_URL: redisServer.url });
// The same Redis, and a memory tier that holds nothing of a batch by the time it is asked for again.
const forgetful = await startServer({
  ...provider.env,
  REDIS_URL: redisServer.url,
  EMBEDQL_MEMORY_CACHE_MB: '1',
});

let texts = 0;
const fresh = (count: number) => Array.from({ length: count }, () => `checked text ${++texts}`);
const batch = (url: string, list: readonly string[], fields = 'embeddingsBase64') =>
  graphql(url, `mutation($t: [String!]!) { embedBatch(texts: $t) { ${fields} } }`, { t: list });
const aliases = (list: readonly string[]) =>
  graphql(
    server,
    `mutation { ${list.map((text, i) => `a${i}: embed(text: "${text}") { cached }`).join(' ')} }`,
  );

/** Commands that Redis got meanwhile, by name. */
async function commands(work: () => Promise<unknown>): Promise<Record<string, number>> {
  await redis.config('RESETSTAT');
  await work();
  const stats = await redis.info('commandstats');
  return Object.fromEntries(
    [...stats.matchAll(/cmdstat_(\w+):calls=(\d+)/g)].map(([, name, calls]) => [name!, Number(calls)]),
  );
}
async function calls(work: () => Promise<unknown>): Promise<number> {
  await provider.calls();
  await work();
  return provider.calls();
}

const rows: Array<[what: string, expected: string, actual: number, isRight: boolean]> = [];
const exactly = (what: string, expected: number, actual: number) =>
  rows.push([what, String(expected), actual, actual === expected]);
const atMost = (what: string, most: number, actual: number) =>
  rows.push([what, `≤ ${most}`, actual, actual <= most]);

exactly('provider calls for 100 aliases', 1, await calls(() => aliases(fresh(100))));
exactly('provider calls for 1,000 aliases', 10, await calls(() => aliases(fresh(1_000))));
exactly('provider calls for 250 texts in embedBatch', 3, await calls(() => batch(server, fresh(250))));
// When 64 requests arrive depends on who sends them, so this one is the best of five: without coalescing it is 64 every time.
const together: number[] = [];
for (let round = 0; round < 5; round++)
  together.push(await calls(() => Promise.all(fresh(64).map((text) => aliases([text])))));
atMost('provider calls for 64 requests at once, best of 5', 4, Math.min(...together));
// 64 clients who ask again once they are answered: batches overlap, and calls are few all the same.
const steady = 4_096;
const steadyCalls = await calls(() =>
  Promise.all(
    Array.from({ length: 64 }, async () => {
      for (let asked = 0; asked < steady / 64; asked++) await aliases(fresh(1));
    }),
  ),
);
atMost('provider calls for 4,096 texts of 64 steady clients', steady / 8, steadyCalls);
const same = fresh(1);
exactly(
  'provider calls for one text in 40 requests',
  1,
  await calls(() =>
    Promise.all(same.concat(...Array.from({ length: 39 }, () => same)).map((text) => aliases([text]))),
  ),
);
exactly(
  'provider calls for 100 cached texts',
  0,
  await (async () => {
    const list = fresh(100);
    await batch(server, list);
    return calls(() => batch(server, list));
  })(),
);

const list = fresh(100);
const missed = await commands(() => batch(forgetful, list));
// One script looks up and leases; what it does inside is no round trip of its own.
exactly('look-ups for 100 texts that are not cached', 1, missed['eval'] ?? 0);
exactly('packets of writes for those', 1, missed['unlink'] ?? 0);
await batch(forgetful, fresh(400));
const hit = await commands(() => batch(forgetful, list));
exactly('look-ups for 100 texts that Redis has', 1, hit['eval'] ?? 0);
exactly('leases and writes of those', 0, (hit['set'] ?? 0) + (hit['unlink'] ?? 0));
const fromMemory = await commands(() => batch(server, list).then(() => batch(server, list)));
atMost('look-ups for 100 texts asked for twice by another replica', 1, fromMemory['eval'] ?? 0);

const [key] = await redis.keys('embed:v2:*');
exactly('bytes of a stored vector over 4·dimension', 20, (await redis.strlen(key!)) - 4 * dimension);
const bytesOf = async (fields: string) =>
  (
    await post(
      `${server}/graphql`,
      JSON.stringify({
        query: `mutation($t: [String!]!) { embedBatch(texts: $t) { ${fields} } }`,
        variables: { t: list },
      }),
    )
  ).length;
atMost(
  'bytes sent for 100 vectors as base64',
  100 * (Math.ceil((4 * dimension) / 3) * 4 + 3) + 100,
  await bytesOf('embeddingsBase64'),
);
atMost(
  'bytes sent for a number, in hundredths',
  1_250,
  Math.round((await bytesOf('embeddings')) / dimension),
);

// Reading modules is what a start consists of.
const coverage = await mkdtemp(`${tmpdir()}/embedql-start-`);
spawnSync(process.execPath, [fileURLToPath(new URL('../dist/cli/bin.js', import.meta.url)), 'models'], {
  env: { ...process.env, NODE_V8_COVERAGE: coverage },
});
const [file] = await readdir(coverage);
const { result: scripts } = JSON.parse(await readFile(`${coverage}/${file}`, 'utf8')) as {
  result: Array<{ url: string }>;
};
await rm(coverage, { recursive: true });
atMost('files read at the start', 30, scripts.filter(({ url }) => url.startsWith('file:')).length);

table(
  ['', 'has to be', 'is', ''],
  rows.map(([what, expected, actual, isRight]) => [what, expected, actual, isRight ? 'ok' : 'WRONG']),
);
redis.disconnect();
await redisServer.stop();
const wrong = rows.filter(([, , , isRight]) => !isRight);
if (wrong.length > 0) print(`${wrong.length} of ${rows.length} counts are wrong`);
process.exit(wrong.length > 0 ? 1 : 0);
