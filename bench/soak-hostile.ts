// Twenty clients, good and hostile, with keys and budgets, for ten minutes (or as many seconds as the first argument says),
// while Redis is killed, emptied, hung and read-only, and the provider fails. At the end the books are compared: what the
// provider has billed, what each key was charged, Prometheus, `metrics` and Redis are the same money, to the billionth of a
// dollar, and no key has spent more than it may. Ends with 1 where they are not, where a good request failed in a way that the
// contract does not name or got a wrong vector, where the process has died or had an exception that nobody caught, or where its
// heap has grown.
//   npm run soak:hostile [-- seconds]
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { vectorToBase64 } from '../src/core/vectors.ts';
import { type FuzzCase, fuzzCase } from '../test/support/fuzz.ts';
import { hostileRequests } from '../test/support/hostile.ts';
import { collectable, preload, serveEmbedQL } from '../test/support/processes.ts';
import { sendFailure, startProvider, vectorOf } from '../test/support/provider-server.ts';
import { requests as randomRequests } from '../test/support/random-requests.ts';
import { startRedis } from '../test/support/redis-server.ts';
import { breakRedis } from './redis-faults.ts';
import { machine, print, table } from './report.ts';

const seconds = Number(process.argv.slice(2).find((argument) => /^\d+$/.test(argument)) ?? 600);
const goodClients = 8;
const hostileClients = 12;
/** MB that the live heap may be larger at the end than after the first third. */
const mostGrownMb = 25;
const nanosPerUsd = 1e9;
const usdPer1kTokens: Record<string, number> = {
  'text-embedding-3-small': 0.00002,
  'text-embedding-3-large': 0.00013,
  'text-embedding-ada-002': 0.0001,
};
/** What each key may spend in a day; `poor` has spent it before the end, and `broke` at once. */
const usdPerDay = { rich: 1, poor: seconds * 2e-7, broke: 1e-6, minute: 1, hostile: 1 };
const textsPerMinute = 300;
type KeyName = keyof typeof usdPerDay;
const keys = Object.keys(usdPerDay) as KeyName[];

/** What the contract lets a good request fail with. */
const named = new Set([
  'PROVIDER_ERROR',
  'PROVIDER_TIMEOUT',
  'RATE_LIMITED',
  'OVERLOADED',
  'COST_LIMIT_EXCEEDED',
]);

const provider = await startProvider({ delayMs: 10 });
const redis = await startRedis();
const uncaught = preload(
  `process.on('uncaughtExceptionMonitor', (error) => console.log('UNCAUGHT ' + error.stack));`,
);
const server = await serveEmbedQL({
  ...provider.env,
  REDIS_URL: redis.url,
  NODE_OPTIONS: `${collectable} ${uncaught} --unhandled-rejections=strict --max-old-space-size=512`,
  EMBEDQL_API_KEYS: keys.map((name) => `${name}:key-${name}`).join(','),
  // Nobody of the clients may reset the figures.
  EMBEDQL_ADMIN_KEYS: 'admin:key-admin',
  EMBEDQL_KEY_LIMITS: keys
    .map((name) => `${name}:${name === 'minute' ? `${textsPerMinute}/min:` : ''}${usdPerDay[name]}usd/day`)
    .join(','),
  EMBEDQL_MEMORY_CACHE_MB: '8',
  EMBEDQL_MAX_TEXTS: '200',
  EMBEDQL_MAX_BODY_BYTES: '4000000',
  EMBEDQL_MAX_BUFFERED_MB: '64',
  EMBEDQL_MAX_ANSWER_BYTES: '16000000',
  EMBEDQL_PROVIDER_RETRIES: '2',
  EMBEDQL_BREAKER_MS: '500',
  EMBEDQL_TRANSFER_TIMEOUT_MS: '5000',
});
const pid = server.process.pid;

const endsAt = performance.now() + seconds * 1_000;
const running = () => performance.now() < endsAt;
const answeredOf = new Map<string, number>();
const tally = { good: 0, hostile: 0, vectors: 0, wrong: 0, cut: 0, unanswered: 0 };
const failures = new Map<string, number>();
const strange: string[] = [];
const count = (code: string) => failures.set(code, (failures.get(code) ?? 0) + 1);
const note = (what: string) => {
  if (strange.length < 20) strange.push(what.slice(0, 300));
};

const pick = <Value>(list: readonly Value[]): Value => list[Math.floor(Math.random() * list.length)]!;
let fresh = 0;
const anyText = () =>
  Math.random() < 0.5 ? `hot ${Math.floor(Math.random() * 500)}` : `cold ${process.pid} ${++fresh}`;
const auth = (key: KeyName) => ({ authorization: `Bearer key-${key}` });

interface Answer {
  data?: Record<string, { embeddingBase64?: string; embeddingsBase64?: Array<string | null> } | null>;
  errors?: Array<{ message: string; extensions: { code: string } }>;
}

function check(key: KeyName, text: string, base64: string | null | undefined): void {
  if (base64 == null) return;
  tally.vectors += 1;
  answeredOf.set(key, (answeredOf.get(key) ?? 0) + 1);
  if (base64 !== vectorToBase64(vectorOf(text))) tally.wrong += 1;
}

/** Operations as they should be: each vector is looked at. */
async function good(): Promise<void> {
  const key = pick(['rich', 'rich', 'poor', 'broke', 'minute'] as const);
  const texts = Array.from({ length: 1 + Math.floor(Math.random() * 40) }, anyText);
  const asBatch = Math.random() < 0.5;
  const body = asBatch
    ? {
        query: 'mutation($texts: [String!]!) { b: embedBatch(texts: $texts) { embeddingsBase64 } }',
        variables: { texts },
      }
    : {
        query: `mutation(${texts.map((_, i) => `$t${i}: String!`).join(' ')}) { ${texts.map((_, i) => `f${i}: embed(text: $t${i}) { embeddingBase64 }`).join(' ')} }`,
        variables: Object.fromEntries(texts.map((text, i) => [`t${i}`, text])),
      };
  const gone = new AbortController();
  const breaksOff = Math.random() < 0.05;
  if (breaksOff) setTimeout(() => gone.abort(), Math.random() * 50);
  tally.good += 1;
  try {
    const response = await fetch(`${server.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...auth(key) },
      body: JSON.stringify(body),
      signal: gone.signal,
    });
    const { data, errors = [] } = (await response.json()) as Answer;
    // This process, which makes megabytes for hostile clients, did not come to sending it.
    if (response.status === 408) {
      tally.cut += 1;
      return;
    }
    for (const { message, extensions } of errors) {
      count(extensions.code);
      if (!named.has(extensions.code)) note(`${extensions.code}: ${message}`);
    }
    for (const [i, text] of texts.entries())
      check(key, text, asBatch ? data?.['b']?.embeddingsBase64?.[i] : data?.[`f${i}`]?.embeddingBase64);
  } catch (error) {
    if (breaksOff) tally.cut += 1;
    else note(`a good request without an answer: ${error instanceof Error ? (error.cause ?? error) : error}`);
  }
}

const large = hostileRequests(0.2).filter(({ socket }) => !socket);

function* hostileCases(): Generator<FuzzCase> {
  for (let seed = 1; ; seed++) {
    const cases = fc.sample(fuzzCase, { seed, numRuns: 200 });
    const bodies = fc.sample(randomRequests, { seed, numRuns: 200 });
    for (const [i, one] of cases.entries()) {
      yield one;
      const { path, headers, body } = bodies[i]!;
      yield { method: 'POST', path, headers, body: Buffer.from(body(++fresh)) };
      if (i % 5 > 0) continue;
      const made = pick(large);
      yield {
        method: 'POST',
        path: made.path,
        headers: { 'content-type': 'application/json', ...made.headers },
        body: Buffer.from(made.body),
      };
    }
  }
}
const cases = hostileCases();

/** Whatever is sent gets an answer of the contract, or its connection is closed where it was not read to its end. */
async function hostile(): Promise<void> {
  const one = cases.next().value as FuzzCase;
  tally.hostile += 1;
  const key = pick(['hostile', 'hostile', 'poor'] as const);
  const gone = new AbortController();
  // Much text is tokenised, a little in each turn, while others are served first.
  const patienceSeconds = (one.body?.length ?? 0) > 100_000 ? 240 : 30;
  const tooLate = setTimeout(() => {
    note(`no answer in ${patienceSeconds} s: ${one.method} ${one.path} ${one.body?.subarray(0, 200)}`);
    gone.abort();
  }, patienceSeconds * 1_000);
  try {
    const response = await fetch(server.url + one.path, {
      method: one.method,
      headers: { ...auth(key), ...one.headers },
      signal: gone.signal,
      ...(one.body && one.method !== 'GET' && one.method !== 'HEAD'
        ? { body: new Uint8Array(one.body) }
        : {}),
    });
    // Some streams end when their client leaves.
    const isStream = /^(?:text\/event-stream|multipart)/.test(response.headers.get('content-type') ?? '');
    if (isStream) setTimeout(() => gone.abort(), 500);
    const text = await response.text();
    const told = `${response.status} to ${one.method} ${one.path} ${one.body?.subarray(0, 120)}: ${text.slice(0, 200)}`;
    if (response.status >= 500 && ![502, 503, 504].includes(response.status)) note(told);
    else if (text.slice(0, 20_000).includes('INTERNAL_SERVER_ERROR')) note(told);
  } catch {
    // TRACE and the like are not sent by fetch; a body that is too large is not read to its end.
    tally.unanswered += 1;
  } finally {
    clearTimeout(tooLate);
  }
}

/** One call in ten goes wrong, before it is billed. */
provider.misbehave = async (_call, response) => {
  const chance = Math.random();
  if (chance >= 0.1) return false;
  if (chance < 0.02) response.destroy();
  else if (chance < 0.05) sendFailure(response, 500);
  else if (chance < 0.07) sendFailure(response, 429, { headers: { 'retry-after-ms': '50' } });
  else {
    await sleep(300);
    return false;
  }
  return true;
};

/** Nanos of USD that the provider has billed. Its notes would grow with every call. */
let billedNanos = 0;
let calls = 0;
function collectBill(): void {
  const open = [];
  for (const call of provider.calls) {
    if (call.billedTokens === 0) {
      open.push(call);
      continue;
    }
    billedNanos += Math.round((call.billedTokens / 1_000) * usdPer1kTokens[call.model]! * nanosPerUsd);
    calls += 1;
  }
  // Calls that failed are never billed; those that may be under way yet are the last.
  provider.calls = open.slice(-200);
}

const heaps: number[] = [];
async function watch(): Promise<void> {
  while (running()) {
    await sleep(Math.min(10_000, (seconds * 1_000) / 10));
    collectBill();
    try {
      heaps.push((await figures()).get('nodejs_heap_size_used_bytes')! / 1e6);
    } catch (error) {
      note(`no metrics: ${error}`);
    }
  }
}

/** Each figure of `/metrics` by its name and labels, once the garbage is collected. */
async function figures(): Promise<Map<string, number>> {
  server.process.kill('SIGUSR2');
  await sleep(300);
  const text = await (await fetch(`${server.url}/metrics`, { headers: auth('rich') })).text();
  return new Map(
    text.split('\n').flatMap((line): Array<[string, number]> => {
      const [, name, value] = /^([^#\s][^ ]*(?:\{.*\})?) (\S+)$/.exec(line) ?? [];
      return name === undefined ? [] : [[name, Number(value)]];
    }),
  );
}

async function client(work: () => Promise<void>): Promise<void> {
  while (running()) await work();
}

const startedAt = await processStart();
async function processStart(): Promise<number> {
  return (await figures()).get('process_start_time_seconds')!;
}

if (process.argv.includes('-v'))
  setInterval(() => print(JSON.stringify({ ...tally, heap: heaps.at(-1)?.toFixed(0) })), 5_000).unref();

const [faults] = await Promise.all([
  breakRedis(redis, running),
  watch(),
  ...Array.from({ length: goodClients }, () => client(good)),
  ...Array.from({ length: hostileClients }, () => client(hostile)),
]);

// What is under way comes to an end. Whoever asks for money tells Redis what it has missed.
await sleep(5_000);
for (const key of keys) {
  const response = await fetch(`${server.url}/v1/embeddings`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...auth(key) },
    body: JSON.stringify({ input: `the last text of ${key}` }),
  });
  await response.arrayBuffer();
}
await sleep(2_000);
collectBill();
const wrong: string[] = [...strange];
const end = await figures();
const nanosOf = (name: string) => Math.round((end.get(name) ?? 0) * nanosPerUsd);
const sum = (numbers: readonly number[]) => numbers.reduce((total, one) => total + one, 0);

const byModel = sum(
  Object.keys(usdPer1kTokens).map((model) => nanosOf(`embedql_cost_usd_total{model="${model}"}`)),
);
const charged = new Map(keys.map((key) => [key, nanosOf(`embedql_key_cost_usd_total{key="${key}"}`)]));
const answer = (await (
  await fetch(`${server.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...auth('rich') },
    body: '{"query":"{ metrics { totalCostUsd } }"}',
  })
).json()) as { data: { metrics: { totalCostUsd: number } } };
const told = Math.round(answer.data.metrics.totalCostUsd * nanosPerUsd);

/** What Redis knows of a key: spent and held in nanos. A day may have ended meanwhile. */
async function booksOf(key: KeyName): Promise<{ spent: number; held: number }> {
  const books = { spent: 0, held: 0 };
  for (const name of await redis.client.keys(`{embedql}:money:${key}:*`)) {
    if (name.endsWith(':ends')) continue;
    books.spent += Number((await redis.client.hget(name, 'spent')) ?? 0);
    books.held += Number((await redis.client.hget(name, 'held')) ?? 0);
  }
  return books;
}

const rows: Array<Array<string | number>> = [];
for (const key of keys) {
  let books = await booksOf(key);
  const own = charged.get(key)!;
  // What is set aside for a call that was broken off is given back when that is over.
  for (let tries = 0; tries < 50 && own > 0 && (books.spent !== own || books.held !== 0); tries++) {
    await sleep(200);
    books = await booksOf(key);
  }
  const allowed = Math.round(usdPerDay[key] * nanosPerUsd);
  rows.push([
    key,
    (allowed / 1e3).toFixed(0),
    (own / 1e3).toFixed(2),
    (books.spent / 1e3).toFixed(2),
    (books.held / 1e3).toFixed(2),
    answeredOf.get(key) ?? '-',
  ]);
  if (own > allowed) wrong.push(`${key} has spent ${own} of ${allowed} nanos`);
  if (books.spent !== own)
    wrong.push(`Redis says that ${key} has spent ${books.spent} nanos, and not ${own}`);
  if (books.held > 0) wrong.push(`${books.held} nanos of ${key} are set aside, and nothing is under way`);
}
// While Redis is away this process counts texts by itself, and a Redis that has lost its data counts anew.
const minutes = Math.ceil(seconds / 60) + 1;
const lost = (faults.get('killed') ?? 0) + (faults.get('emptied') ?? 0);
const mostTexts = textsPerMinute * (2 * minutes + lost);
if ((answeredOf.get('minute') ?? 0) > mostTexts)
  wrong.push(`minute got ${answeredOf.get('minute')} texts of ${mostTexts}`);
if (byModel !== billedNanos) wrong.push(`Prometheus: ${byModel} nanos by model; billed ${billedNanos}`);
if (sum([...charged.values()]) !== billedNanos)
  wrong.push(`Prometheus: ${sum([...charged.values()])} nanos by key; billed ${billedNanos}`);
if (told !== billedNanos) wrong.push(`metrics: ${told} nanos; billed ${billedNanos}`);

const third = Math.max(1, Math.floor(heaps.length / 3));
const mean = (some: readonly number[]) => sum(some) / Math.max(1, some.length);
const grownMb = mean(heaps.slice(-third)) - mean(heaps.slice(third, 2 * third));
if (grownMb > mostGrownMb) wrong.push(`the heap has grown by ${grownMb.toFixed(1)} MB in the last third`);
if (tally.wrong > 0) wrong.push(`${tally.wrong} wrong vectors`);
if (server.process.exitCode !== null || server.process.pid !== pid || (await processStart()) !== startedAt)
  wrong.push('the process is another one, or none');

server.process.kill('SIGTERM');
const { code, stdout, stderr } = await server.finished;
await Promise.all([redis.stop(), provider.close()]);
if (code !== 0) wrong.push(`exit code ${code}`);
for (const line of stdout.split('\n'))
  if (line.startsWith('UNCAUGHT') || /"level":[56]0/.test(line)) wrong.push(line.slice(0, 500));
if (/unhandled|uncaught/i.test(stderr)) wrong.push(stderr.slice(0, 500));

print(`Hostile soak: ${seconds} s, ${goodClients} good and ${hostileClients} hostile clients, ${machine()}`);
print(
  `${tally.good} good requests (${tally.cut} broken off), ${tally.vectors} vectors checked, ${tally.wrong} wrong; ` +
    `${tally.hostile} hostile requests, ${tally.unanswered} without an answer`,
);
print(`Redis was ${[...faults].map(([fault, times]) => `${fault} ${times} ×`).join(', ')}`);
table(['failure of a good request', 'fields'], [...failures]);
table(['key', 'may spend, µUSD', 'charged', 'in Redis', 'set aside', 'good answers'], rows);
print(
  `billed by the provider ${(billedNanos / 1e3).toFixed(2)} µUSD in ${calls} calls; Prometheus by model ${(byModel / 1e3).toFixed(2)}, metrics ${(told / 1e3).toFixed(2)}`,
);
print(
  `live heap ${mean(heaps.slice(0, third)).toFixed(1)}, ${mean(heaps.slice(third, 2 * third)).toFixed(1)}, ${mean(heaps.slice(-third)).toFixed(1)} MB in each third`,
);
for (const one of wrong) print(`FAILED: ${one}`);
process.exit(wrong.length > 0 ? 1 : 0);
