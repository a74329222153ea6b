// What a cached answer costs: 100 cached vectors of 1,536 numbers over HTTP as base64, from memory and from Redis,
// against the raw MGET of the same bytes; and what an entry takes up in Redis.
//   npm run bench:cache
import { Redis } from 'ioredis';
import { startRedis } from '../test/support/redis-server.ts';
import { graphql, startBenchProvider, startServer } from './processes.ts';
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
const others = Array.from({ length: 400 }, (_, i) => `another text ${i}`);
await graphql(fromMemory, query, { texts });
await graphql(fromRedis, query, { texts: others });

const raw = new Redis(redis.port, '127.0.0.1');
const keys = await raw.keys('embed:v2:*');
const wanted = keys.slice(0, count);
const mget = await median(rounds, () => milliseconds(() => raw.mgetBuffer(...wanted)));
const memory = await median(rounds, () => milliseconds(() => graphql(fromMemory, query, { texts })));
const shared = await median(rounds, async () => {
  await graphql(fromRedis, query, { texts: others });
  return milliseconds(() => graphql(fromRedis, query, { texts }));
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
process.exit(0);
