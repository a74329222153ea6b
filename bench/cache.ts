// What a cached answer costs: 100 cached vectors of 1,536 numbers over HTTP as base64, from memory, disk and Redis,
// against the raw MGET of the same bytes; what an entry takes up in Redis; and what 100,000 entries on the disk cost: a start,
// memory, and a hit against a raw read of the same bytes.
//   npm run bench:cache
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Redis } from 'ioredis';
import { DiskTier } from '../src/cache/disk/disk-tier.ts';
import { cacheKey } from '../src/core/cache.ts';
import { silentLog } from '../src/core/surroundings.ts';
import { startRedis } from '../test/support/redis-server.ts';
import { graphql, startBenchProvider, startScript, startServer } from './processes.ts';
import { machine, median, milliseconds, print, table } from './report.ts';

const rounds = 30;
const count = 100;
const dimension = 1_536;
const texts = Array.from({ length: count }, (_, i) => `cached text ${i}`);
const query = 'mutation($texts: [String!]!) { embedBatch(texts: $texts) { embeddingsBase64 cachedCount } }';

const redis = await startRedis();
const provider = await startBenchProvider(0);
const env = { ...provider.env, REDIS_URL: redis.url };
const fromMemory = await startServer(env);
// A memory tier that holds less than the batch, and a round of other texts in between, so that Redis is asked.
const fromRedis = await startServer({ ...env, EMBEDQL_MEMORY_CACHE_MB: '1' });
const dir = await mkdtemp(path.join(tmpdir(), 'bench-disk-'));
const fromDisk = await startServer({ ...provider.env, EMBEDQL_CACHE_DIR: dir, EMBEDQL_MEMORY_CACHE_MB: '1' });
const others = Array.from({ length: 400 }, (_, i) => `another text ${i}`);
await graphql(fromMemory, query, { texts });
await graphql(fromRedis, query, { texts: others });
await graphql(fromDisk, query, { texts });

const raw = new Redis(redis.port, '127.0.0.1');
const keys = await raw.keys('embed:v2:*');
const wanted = keys.slice(0, count);
const mget = await median(rounds, () => milliseconds(() => raw.mgetBuffer(...wanted)));
const memory = await median(rounds, () => milliseconds(() => graphql(fromMemory, query, { texts })));
const shared = await median(rounds, async () => {
  await graphql(fromRedis, query, { texts: others });
  return milliseconds(() => graphql(fromRedis, query, { texts }));
});
const disk = await median(rounds, async () => {
  await graphql(fromDisk, query, { texts: others });
  return milliseconds(() => graphql(fromDisk, query, { texts }));
});
const miss = await median(5, async (round) =>
  milliseconds(() => graphql(fromMemory, query, { texts: texts.map((text) => `${text} missed ${round}`) })),
);

print(`${machine()}; ${count} vectors of ${dimension} numbers, median of ${rounds}`);
table(
  ['', 'ms', 'of the raw MGET'],
  [
    ['raw MGET', mget.toFixed(2), '1.0×'],
    ['HTTP, from memory', memory.toFixed(2), `${(memory / mget).toFixed(1)}×`],
    ['HTTP, from the disk', disk.toFixed(2), `${(disk / mget).toFixed(1)}×`],
    ['HTTP, from Redis', shared.toFixed(2), `${(shared / mget).toFixed(1)}×`],
    ['HTTP, computed (provider 0 ms)', miss.toFixed(2), `${(miss / mget).toFixed(1)}×`],
  ],
);

const usage = await raw.memory('USAGE', wanted[0]!);
const stored = await raw.strlen(wanted[0]!);
print(
  `\nbytes of an entry: value ${stored} (4·dimension + ${stored - 4 * dimension}), in Redis with key and bookkeeping ${usage}`,
);
print(`MEMORY USAGE against 4·dimension: ${((usage ?? 0) / (4 * dimension)).toFixed(2)}×`);
raw.disconnect();
await redis.stop();

const entries = 100_000;
const large = await mkdtemp(path.join(tmpdir(), 'bench-disk-'));
const tier = new DiskTier({
  dir: large,
  maxBytes: 2_000_000_000,
  ttlSeconds: 0,
  waitMs: 10_000,
  events: { cacheError: () => {} },
  log: silentLog,
});
await tier.ready(10_000);
const vector = Float32Array.from({ length: dimension }, () => Math.random());
const writeMs = await milliseconds(async () => {
  for (let first = 0; first < entries; first += 1_000) {
    tier.setMany(
      Array.from({ length: 1_000 }, (_, i) => [
        cacheKey('bench', 'doc', `text ${first + i}`),
        { vector, tokens: 1, truncated: false },
      ]),
    );
    await tier.flush();
  }
});
await tier.close();
const [said] = await startScript('disk-start.ts', [large, String(entries)], /^\{.*\}/);
const figures = JSON.parse(said) as Record<string, number>;
const [one, hundred, scattered] = [figures['one']!, figures['hundred']!, figures['scattered']!];
const ratio = (ours: number, name: string) => [
  ours.toFixed(3),
  figures[name]!.toFixed(3),
  `${(ours / figures[name]!).toFixed(1)}×`,
];
print(`\n${entries} entries on the disk, written at ${Math.round((entries * 1_000) / writeMs)} a second`);
print(
  `a start takes ${Math.round(figures['startMs']!)} ms, the longest wait of the event loop ${Math.round(figures['slowestMs']!)} ms; ` +
    `memory ${(figures['memory']! / 1e6).toFixed(1)} MB, ${Math.round(figures['memory']! / entries)} bytes an entry`,
);
table(
  ['', 'ms', 'raw read, ms', ''],
  [
    ['one hit', ...ratio(one, 'rawOne')],
    ['100 that were computed together', ...ratio(hundred, 'rawHundred')],
    ['100 from anywhere', ...ratio(scattered, 'rawScattered')],
  ],
);
await Promise.all([dir, large].map((folder) => rm(folder, { recursive: true })));
process.exit(0);
