// How time and memory grow.
//   npm run bench:scale
// Batches of 10 to 100,000 texts, computed and cached: time for each text, and the server's memory. And 1, 2 and 4 processes on
// one Redis: how many hits a second they serve together.
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import autocannon from 'autocannon';
import { startRedis } from '../test/support/redis-server.ts';
import { post } from './http-client.ts';
import { metric, startBenchProvider, startServer } from './processes.ts';
import { machine, median, milliseconds, print, table } from './report.ts';

const provider = await startBenchProvider(0);
const models = path.join(tmpdir(), `embedql-bench-${process.pid}.json`);
writeFileSync(
  models,
  JSON.stringify({
    models: [
      {
        name: 'short',
        id: 'tiny',
        provider: 'openai',
        baseUrl: provider.url,
        dimension: 8,
        maxBatchSize: 100,
      },
    ],
  }),
);
print(machine());
await batches();
await processes();
process.exit(0);

async function batches(): Promise<void> {
  const url = await startServer({
    ...provider.env,
    EMBEDQL_MODELS_FILE: models,
    EMBEDQL_MAX_TEXTS: '100000',
    EMBEDQL_QUEUE_LIMIT: '100000',
    EMBEDQL_MAX_BODY_BYTES: '100000000',
    EMBEDQL_MEMORY_CACHE_MB: '200',
    LOG_LEVEL: 'info',
  });
  let batch = 0;
  const ask = (texts: readonly string[], model: string) =>
    post(
      `${url}/graphql`,
      JSON.stringify({
        query:
          'mutation($t: [String!]!, $m: String) { embedBatch(texts: $t, model: $m) { embeddingsBase64 } }',
        variables: { t: texts, m: model },
      }),
    );
  const fresh = (count: number) => {
    batch++;
    return Array.from({ length: count }, (_, i) => `batch ${batch} text ${i}`);
  };
  const rss = async () => (await metric(url, 'process_resident_memory_bytes')) / 1e6;
  for (let warm = 0; warm < 300; warm++) await ask(fresh(100), 'short');
  const rows: string[][] = [];
  for (const [model, sizes] of [
    ['short', [10, 100, 1_000, 10_000, 100_000]],
    ['text-embedding-3-small', [10, 100, 1_000, 10_000]],
  ] as const) {
    for (const size of sizes) {
      const rounds = Math.max(3, Math.min(30, 3_000 / size));
      const computed: number[] = [];
      const cached: number[] = [];
      for (let round = 0; round < rounds; round++) {
        const texts = fresh(size);
        computed.push(await milliseconds(() => ask(texts, model)));
        cached.push(await milliseconds(() => ask(texts, model)));
      }
      const each = async (times: number[]) =>
        ((await median(times.length, async (i) => times[i]!)) * 1_000) / size;
      rows.push([
        model === 'short' ? '8' : '1,536',
        String(size),
        (await each(computed)).toFixed(1),
        (await each(cached)).toFixed(1),
        (await rss()).toFixed(0),
      ]);
    }
  }
  print('\none embedBatch, µs a text');
  table(['numbers', 'texts', 'computed', 'cached', 'resident MB'], rows);
}

async function processes(): Promise<void> {
  const redis = await startRedis();
  const env = { ...provider.env, REDIS_URL: redis.url };
  const body = JSON.stringify({ query: 'mutation { embed(text: "shared") { embeddingBase64 } }' });
  const rows: string[][] = [];
  let first = 0;
  const urls: string[] = [];
  for (const count of [1, 2, 4]) {
    while (urls.length < count) urls.push(await startServer(env));
    const runs = await Promise.all(
      urls.map((url) =>
        autocannon({
          url: `${url}/graphql`,
          method: 'POST',
          body,
          headers: { 'content-type': 'application/json' },
          connections: 8,
          duration: 5,
        }),
      ),
    );
    const together = runs.reduce((sum, { requests }) => sum + requests.average, 0);
    first ||= together;
    rows.push([String(count), together.toFixed(0), `${(together / first).toFixed(2)}×`]);
  }
  print('\nhits a second of several processes on one Redis, the load on the same cores');
  table(['processes', 'a second', 'of one'], rows);
  await redis.stop();
}
