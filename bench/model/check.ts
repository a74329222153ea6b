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

interface Operation {
  url: string;
  input: readonly string[];
}

/** What a process has done: the model's counts, as they can be seen from outside. */
type Seen = Omit<SmallCounts, 'computing'>;

/** Runs the same load on 1, 2 and 4 processes. @returns whether the model was right within 25 % */
export async function checkModel(): Promise<boolean> {
  const provider = await startBenchProvider(20);
  const redisServer = await startRedis();
  const redis = new Redis(redisServer.port, '127.0.0.1');
  const env = {
    ...provider.env,
    REDIS_URL: redisServer.url,
    EMBEDQL_MEMORY_CACHE_MB: '512',
    LOG_LEVEL: 'info',
  };
  const start = async () => startServer(env);
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
    const all = await Promise.all(Array.from({ length: Math.max(2, processes) }, start));
    const urls = all.slice(0, processes);
    for (const url of all) await warm(url);
    const expected = countsOf({ ...run, processes });
    const { lookUps, computing } = expected;
    const fleet = { all, processes, cpu, computingShare: computing / run.operations };
    const costsBefore = await calibrate(fleet, 'before');
    const memoryBefore = await usedMemory(redis);
    await redis.config('RESETSTAT');
    const before = await countsAt(urls, redis);
    const cpuBefore = await cpu(urls);
    await ask(urls);
    const cpuMs = (await cpu(urls)) - cpuBefore;
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
    const costsAfter = await calibrate(fleet, 'after');
    const mean = (cost: keyof OperationCosts) => (costsBefore[cost] + costsAfter[cost]) / 2;
    const memory = mean('memory');
    const processorMs =
      run.operations * memory +
      lookUps * (mean('redis') - memory) +
      computing * (mean('computed') - mean('redis')) +
      (expected.computed - computing) * mean('oneMore');
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

/** Those who run and are measured; the first few have the load, one more than one is there to be asked. */
interface Fleet {
  all: readonly string[];
  processes: number;
  computingShare: number;
  cpu(urls: readonly string[]): Promise<number>;
}

/**
 * One kind of operation at a time, by as many processes and clients as in the run, since they share cores and caches. What is computed
 * is mixed with what is in memory, in the share that it has in the run: clients that all wait for a provider would fall into step, and
 * share calls that cost less than those of the run.
 *
 * @param round names its texts, so that each round has new ones
 */
async function calibrate(
  { all, processes, computingShare, cpu }: Fleet,
  round: string,
): Promise<OperationCosts> {
  const operations = loadOf(run.operations, 'known');
  const known = (i: number) => operations[i % operations.length]!;
  const oneOf = (i: number, url: string) => [...known(i).slice(1), `one ${round} ${url} ${i}`];
  const allOf = (i: number, url: string) => known(i).map((_, n) => `all ${round} ${url} ${i} ${n}`);
  const measure = async (operations: readonly Operation[]) => {
    const before = await cpu(all);
    await together(operations, ({ url, input }) => send(url, input));
    return ((await cpu(all)) - before) / operations.length;
  };
  const random = randomFrom(2);
  const places = Array.from({ length: Math.ceil(calibrationOperations / computingShare) }, (_, i) => ({
    i,
    url: all[i % processes]!,
    computes: random() < computingShare,
  }));
  const mixed = (texts: (i: number, url: string) => string[]) =>
    measure(places.map(({ i, url, computes }) => ({ url, input: (computes ? texts : known)(i, url) })));
  const oneComputed = await mixed(oneOf);
  const memory = await mixed(known);
  const allComputed = await mixed(allOf);
  // Each asks for what its neighbour has computed.
  const redis = await measure(
    places
      .filter(({ computes }) => computes)
      .map(({ i, url }) => ({ url: all[(all.indexOf(url) + 1) % all.length]!, input: oneOf(i, url) })),
  );
  return {
    memory,
    redis,
    computed: memory + (oneComputed - memory) / computingShare,
    oneMore: (allComputed - oneComputed) / computingShare / (run.textsAnOperation - 1),
  };
}

/** Until the code is compiled and all of the load is in memory, under other names than those of the run. */
async function warm(url: string): Promise<void> {
  await together(loadOf(run.operations, 'known'), (texts) => send(url, texts));
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

/** The load. */
async function ask(urls: readonly string[]): Promise<void> {
  const operations = loadOf(run.operations, 'text').map((input, i) => ({
    url: urls[i % urls.length]!,
    input,
  }));
  await together(operations, ({ url, input }) => send(url, input));
}

/** The texts of each operation, the same ones in every run; the same text twice in an operation is one text. */
function loadOf(count: number, name: string): string[][] {
  const ranks = cumulative();
  const random = randomFrom(1);
  return Array.from({ length: count }, () => [
    ...new Set(Array.from({ length: run.textsAnOperation }, () => `${name} ${rankAt(ranks, random())}`)),
  ]);
}

/** Numbers from 0 to 1, the same ones in every run. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
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
