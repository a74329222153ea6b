import { cpus, loadavg } from 'node:os';
import { Redis } from 'ioredis';
import { startRedis } from '../../test/support/redis-server.ts';
import { post } from '../http-client.ts';
import { metric, startBenchProvider, startServer } from '../processes.ts';
import { print, table } from '../report.ts';
import { measured } from './fleet.ts';
import { countsOf, type SmallCounts } from './small.ts';

const run = { operations: 4_000, textsAnOperation: 10, corpus: 6_000, exponent: 0.9 };
const clients = 8;
const tolerance = 0.25;
const calibrationOperations = 600;

/**
 * Milliseconds of a processor that an operation takes: with all its texts in memory, with one from Redis, with one computed; and
 * that another text takes in it which is computed.
 */
interface OperationCosts {
  memory: number;
  redis: number;
  computed: number;
  oneMore: number;
}

/** What a process has done: the model's counts, as they can be seen from outside. */
type Seen = Omit<SmallCounts, 'computing'>;

/** Runs the same load on 1, 2 and 4 processes. @returns whether the model was right within 25 % */
export async function checkModel(): Promise<boolean> {
  const provider = await startBenchProvider(20);
  const redisServer = await startRedis();
  const redis = new Redis(redisServer.port, '127.0.0.1');
  const env = { ...provider.env, REDIS_URL: redisServer.url, LOG_LEVEL: 'warn' };
  const start = async () => startServer({ ...env, LOG_LEVEL: 'info' });
  const cpu = async (urls: readonly string[]) => {
    const seconds = await Promise.all(urls.map((url) => metric(url, 'process_cpu_seconds_total')));
    return 1_000 * seconds.reduce((sum, one) => sum + one, 0);
  };
  // Others at work on the same cores take caches and clock from ours.
  const isQuiet = loadavg()[0]! < cpus().length / 2;
  const rows: Array<[string, string, string, string]> = [];
  let isRight = true;
  const compare = (what: string, expected: number, actual: number, isJudged = true) => {
    const off = actual / expected - 1;
    if (isJudged && Math.abs(off) > tolerance) isRight = false;
    rows.push([what, expected.toPrecision(4), actual.toPrecision(4), `${(100 * off).toFixed(1)} %`]);
  };
  for (const processes of [1, 2, 4]) {
    await redis.flushall();
    const urls = await Promise.all(Array.from({ length: processes }, start));
    for (const url of urls) await warm(url);
    const memoryBefore = await usedMemory(redis);
    await redis.config('RESETSTAT');
    const before = await countsAt(urls, redis);
    const cpuBefore = await cpu(urls);
    await ask(urls);
    const cpuMs = (await cpu(urls)) - cpuBefore;
    const expected = countsOf({ ...run, processes });
    const actual = difference(await countsAt(urls, redis), before);
    const name = (what: string) => `${processes}: ${what}`;
    compare(name('texts from memory'), expected.fromMemory, actual.fromMemory);
    if (processes > 1) compare(name('texts from Redis'), expected.fromRedis, actual.fromRedis);
    compare(name('texts computed, the bill'), expected.computed, actual.computed);
    compare(name('look-ups in Redis'), expected.lookUps, actual.lookUps);
    compare(
      name('memory of Redis, bytes'),
      expected.computed * measured.redisEntryBytes,
      (await usedMemory(redis)) - memoryBefore,
    );
    const costs = await calibrate(start, cpu, clients / processes);
    const { lookUps, computing } = expected;
    const processorMs =
      run.operations * costs.memory +
      lookUps * (costs.redis - costs.memory) +
      computing * (costs.computed - costs.redis) +
      (expected.computed - computing) * costs.oneMore;
    compare(name('processor, ms'), processorMs, cpuMs, isQuiet);
  }
  redis.disconnect();
  await redisServer.stop();
  print(
    `Operations of ${run.textsAnOperation} texts, Zipf ${run.exponent} over ${run.corpus}, ${run.operations} in all.`,
  );
  if (!isQuiet)
    print('The machine is busy with something else: the time of the processor is shown and not judged.');
  table(['processes', 'model', 'measured', 'off by'], rows);
  print(isRight ? 'The model is right within 25 %.' : 'The model is wrong by more than 25 %.');
  return isRight;
}

/** One kind of operation at a time, by one process with as many clients as it has in the run. */
async function calibrate(
  start: () => Promise<string>,
  cpu: (urls: readonly string[]) => Promise<number>,
  clients: number,
): Promise<OperationCosts> {
  const [first, second] = [await start(), await start()];
  for (const url of [first, second]) await warm(url);
  const known = (i: number) =>
    Array.from({ length: run.textsAnOperation - 1 }, (_, n) => `known ${(i + n) % 500}`);
  const measure = async (url: string, last: (i: number) => string) => {
    const operations = Array.from({ length: calibrationOperations }, (_, i) => [...known(i), last(i)]);
    const before = await cpu([url]);
    await together(operations, (texts) => send(url, texts), clients);
    return ((await cpu([url])) - before) / operations.length;
  };
  for (const url of [first, second]) await measure(url, () => 'known');
  const fresh = (i: number) => `new to all, ${first} ${i}`;
  const computed = await measure(first, fresh);
  const memory = await measure(first, fresh);
  const redis = await measure(second, fresh);
  const before = await cpu([first]);
  const whole = Array.from({ length: calibrationOperations * run.textsAnOperation }, (_, i) => `whole ${i}`);
  await together(chunksOf(whole), (texts) => send(first, texts), clients);
  const allComputed = ((await cpu([first])) - before) / calibrationOperations;
  return { memory, redis, computed, oneMore: (allComputed - computed) / (run.textsAnOperation - 1) };
}

/** Until the code is compiled: with texts of its own, so that none of the load is known. */
async function warm(url: string): Promise<void> {
  const texts = Array.from({ length: 6_000 }, (_, i) => `warm ${url} ${i}`);
  for (let round = 0; round < 2; round++) await together(chunksOf(texts), (chunk) => send(url, chunk));
}

function chunksOf(texts: readonly string[]): string[][] {
  const size = run.textsAnOperation;
  return Array.from({ length: texts.length / size }, (_, i) => texts.slice(i * size, (i + 1) * size));
}

const send = (url: string, input: readonly string[]) =>
  post(
    `${url}/v1/embeddings`,
    JSON.stringify({ model: 'text-embedding-3-small', encoding_format: 'base64', input }),
  );

/** A few at a time, as clients that wait for their answers. */
async function together<Item>(
  items: readonly Item[],
  work: (item: Item) => Promise<unknown>,
  atOnce = clients,
): Promise<void> {
  const open = items.values();
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (const item of open) await work(item);
    }),
  );
}

/** The load: the same texts in every run. */
async function ask(urls: readonly string[]): Promise<void> {
  const ranks = cumulative();
  let state = 1;
  const random = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
  const operations = Array.from({ length: run.operations }, (_, i) => ({
    url: urls[i % urls.length]!,
    // The same text twice in an operation is one text.
    input: [
      ...new Set(Array.from({ length: run.textsAnOperation }, () => `text ${rankAt(ranks, random())}`)),
    ],
  }));
  await together(operations, ({ url, input }) => send(url, input));
}

function cumulative(): Float64Array {
  const sums = new Float64Array(run.corpus);
  let sum = 0;
  for (let rank = 1; rank <= run.corpus; rank++) {
    sum += rank ** -run.exponent;
    sums[rank - 1] = sum;
  }
  return sums.map((one) => one / sum);
}

function rankAt(sums: Float64Array, share: number): number {
  let [low, high] = [0, sums.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sums[middle]! < share) low = middle + 1;
    else high = middle;
  }
  return low;
}

async function countsAt(urls: readonly string[], redis: Redis): Promise<Seen> {
  const sum = async (source: string) => {
    const label = `embedql_embeddings_total\\{model="text-embedding-3-small",source="${source}"\\}`;
    const counts = await Promise.all(urls.map((url) => metric(url, label).catch(() => 0)));
    return counts.reduce((all, one) => all + one, 0);
  };
  const [fromMemory, fromRedis, computed] = [await sum('memory'), await sum('redis'), await sum('provider')];
  const stats = await redis.info('commandstats');
  const lookUps = Number(/cmdstat_eval:calls=(\d+)/.exec(stats)?.[1] ?? 0);
  return { texts: fromMemory + fromRedis + computed, fromMemory, fromRedis, computed, lookUps };
}

function difference(after: Seen, before: Seen): Seen {
  return {
    texts: after.texts - before.texts,
    fromMemory: after.fromMemory - before.fromMemory,
    fromRedis: after.fromRedis - before.fromRedis,
    computed: after.computed - before.computed,
    lookUps: after.lookUps - before.lookUps,
  };
}

async function usedMemory(redis: Redis): Promise<number> {
  return Number(/^used_memory_dataset:(\d+)/m.exec(await redis.info('memory'))?.[1]);
}
