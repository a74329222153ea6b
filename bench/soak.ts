// A mixed load for five minutes (or as many seconds as the first argument says) while Redis and the provider fail.
// Prints requests, failures by code, the slope of the memory and the event loop's delay. Ends with 1 where a vector was
// wrong or a request failed in a way that the contract does not name.
import { setTimeout as sleep } from 'node:timers/promises';
import { vectorToBase64 } from '../src/core/vectors.ts';
import { collectable, metricsOfLiveObjects, serveEmbedQL } from '../test/support/processes.ts';
import {
  type ProviderServer,
  sendFailure,
  startProvider,
  vectorOf,
} from '../test/support/provider-server.ts';
import { startRedis } from '../test/support/redis-server.ts';
import { breakRedis } from './redis-faults.ts';
import { machine, print, table } from './report.ts';

const seconds = Number(process.argv[2] ?? 300);
const clients = 24;
/** Node looks at its event loop every 10 ms, and counts those in. */
const resolutionMs = 10;
const hotTexts = 2_000;
/** What the contract lets a request fail with while its provider fails, is slow, or has too much to do. */
const named = new Set(['PROVIDER_ERROR', 'PROVIDER_TIMEOUT', 'RATE_LIMITED', 'OVERLOADED', 'BAD_USER_INPUT']);

const provider = await startProvider({ delayMs: 10 });
const redis = await startRedis(['--maxmemory', '20mb', '--maxmemory-policy', 'allkeys-lru']);
const server = await serveEmbedQL({
  ...provider.env,
  REDIS_URL: redis.url,
  NODE_OPTIONS: collectable,
  EMBEDQL_MEMORY_CACHE_MB: '4',
  EMBEDQL_PROVIDER_TIMEOUT_MS: '1000',
  EMBEDQL_PROVIDER_RETRIES: '2',
  EMBEDQL_BREAKER_MS: '500',
  EMBEDQL_QUEUE_LIMIT: '200',
});

const tally = { requests: 0, vectors: 0, wrong: 0, cut: 0 };
const failures = new Map<string, number>();
const fail = (code: string) => failures.set(code, (failures.get(code) ?? 0) + 1);
const expected = new Map<string, string>();
let cold = 0;
const endsAt = performance.now() + seconds * 1_000;
const running = () => performance.now() < endsAt;

/** Three texts in four are asked for again and again. */
function anyText(): string {
  return Math.random() < 0.75 ? `hot ${Math.floor(Math.random() * hotTexts)}` : `cold ${++cold}`;
}

function check(text: string, base64: string | null | undefined): void {
  if (base64 == null) return;
  let right = expected.get(text);
  if (!right) {
    right = vectorToBase64(vectorOf(text));
    if (text.startsWith('hot')) expected.set(text, right);
  }
  tally.vectors += 1;
  if (base64 !== right) tally.wrong += 1;
}

async function post(path: string, body: object, signal?: AbortSignal): Promise<Response> {
  tally.requests += 1;
  return fetch(server.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal: signal ?? null,
  });
}

interface Answer {
  data?: Record<
    string,
    {
      embeddingBase64?: string;
      embeddingsBase64?: Array<string | null>;
      failures?: Array<{ code: string }>;
    } | null
  >;
  errors?: Array<{ extensions: { code: string } }>;
}

async function graphql(query: string, variables: object): Promise<Answer> {
  const answer = (await (await post('/graphql', { query, variables })).json()) as Answer;
  for (const { extensions } of answer.errors ?? []) fail(extensions.code);
  return answer;
}

const load: Array<() => Promise<void>> = [
  async function aliases() {
    const texts = Array.from({ length: 1 + Math.floor(Math.random() * 30) }, anyText);
    const declared = texts.map((_, i) => `$t${i}: String!`).join(', ');
    const fields = texts.map((_, i) => `f${i}: embed(text: $t${i}) { embeddingBase64 }`).join(' ');
    const variables = Object.fromEntries(texts.map((text, i) => [`t${i}`, text]));
    const { data } = await graphql(`mutation(${declared}) { ${fields} }`, variables);
    for (const [i, text] of texts.entries()) check(text, data?.[`f${i}`]?.embeddingBase64);
  },
  async function batch() {
    const texts = Array.from({ length: 1 + Math.floor(Math.random() * 120) }, anyText);
    // Sometimes one that the provider refuses, and one that nobody can embed.
    if (Math.random() < 0.2) texts[Math.floor(Math.random() * texts.length)] = `${provider.poison} ${++cold}`;
    if (Math.random() < 0.2) texts.push('');
    const { data } = await graphql(
      'mutation($texts: [String!]!) { b: embedBatch(texts: $texts) { embeddingsBase64 failures { code } } }',
      { texts },
    );
    for (const { code } of data?.['b']?.failures ?? []) fail(code);
    for (const [i, text] of texts.entries()) check(text, data?.['b']?.embeddingsBase64?.[i]);
  },
  async function openai() {
    const input = Array.from({ length: 1 + Math.floor(Math.random() * 10) }, anyText);
    const answer = (await (await post('/v1/embeddings', { input, encoding_format: 'base64' })).json()) as {
      data?: Array<{ index: number; embedding: string }>;
      error?: { code: string };
    };
    if (answer.error) fail(answer.error.code.toUpperCase());
    for (const { index, embedding } of answer.data ?? []) check(input[index]!, embedding);
  },
  async function brokenOff() {
    const gone = new AbortController();
    const query = 'mutation($texts: [String!]!) { embedBatch(texts: $texts) { totalEmbeddings } }';
    const sent = post(
      '/graphql',
      { query, variables: { texts: Array.from({ length: 50 }, anyText) } },
      gone.signal,
    );
    setTimeout(() => gone.abort(), Math.random() * 30);
    await sent.then((response) => response.arrayBuffer()).catch(() => {});
    tally.cut += 1;
  },
];

async function client(): Promise<void> {
  while (running()) {
    try {
      await load[Math.floor(Math.random() ** 1.5 * load.length)]!();
    } catch (error) {
      fail(`unanswered: ${error instanceof Error ? error.message : error}`);
    }
  }
}

/** One call in ten goes wrong, in every way that calls go wrong; now and then the provider is gone altogether. */
function breakProvider(target: ProviderServer): void {
  let goneUntil = 0;
  target.misbehave = async (_call, response) => {
    const now = performance.now();
    if (now > goneUntil + 20_000 && Math.random() < 0.001) goneUntil = now + 1_500;
    const chance = now < goneUntil ? 0 : Math.random();
    if (chance >= 0.1) return false;
    if (chance < 0.02) response.destroy();
    else if (chance < 0.05) sendFailure(response, 500);
    else if (chance < 0.07) sendFailure(response, 429, { headers: { 'retry-after-ms': '50' } });
    else if (chance < 0.08)
      response.writeHead(200, { 'content-type': 'application/json' }).end('{"data": [{"emb');
    else if (chance < 0.09) await sleep(1_500).then(() => response.destroy());
    else {
      await sleep(300);
      return false;
    }
    return true;
  };
}

interface Sample {
  at: number;
  heapMb: number;
  rssMb: number;
  lagP99Ms: number;
}
const samples: Sample[] = [];

async function watch(): Promise<void> {
  while (running()) {
    await sleep(Math.min(5_000, (seconds * 1_000) / 10));
    const read = await metricsOfLiveObjects(server);
    samples.push({
      at: performance.now() / 1_000,
      heapMb: read('nodejs_heap_size_used_bytes') / 1e6,
      rssMb: read('process_resident_memory_bytes') / 1e6,
      lagP99Ms: read('nodejs_eventloop_lag_p99_seconds') * 1e3 - resolutionMs,
    });
    // The provider's own notes would grow with every call.
    provider.calls.length = 0;
  }
}

/** MB a minute, by least squares. */
function slope(of: 'heapMb' | 'rssMb'): number {
  const settled = samples.slice(Math.floor(samples.length / 3));
  const mean = (pick: (sample: Sample) => number) =>
    settled.reduce((sum, sample) => sum + pick(sample), 0) / settled.length;
  const [x, y] = [mean(({ at }) => at), mean((sample) => sample[of])];
  const over = settled.reduce((sum, sample) => sum + (sample.at - x) * (sample[of] - y), 0);
  return (over / settled.reduce((sum, { at }) => sum + (at - x) ** 2, 0)) * 60;
}

breakProvider(provider);
await Promise.all([
  breakRedis(redis, running, ['hung', 'hung', 'killed', 'emptied']),
  watch(),
  ...Array.from({ length: clients }, client),
]);

print(`Soak: ${seconds} s, ${clients} clients, ${machine()}`);
print(
  `${tally.requests} requests, ${tally.vectors} vectors checked, ${tally.wrong} wrong, ${tally.cut} requests broken off by the client`,
);
table(
  ['failure', 'texts or fields', 'in the contract'],
  [...failures].map(([code, count]) => [code, count, named.has(code) ? 'yes' : 'NO']),
);
const last = samples.at(-1)!;
print(
  `live heap ${last.heapMb.toFixed(1)} MB, ${slope('heapMb').toFixed(2)} MB a minute; resident ${last.rssMb.toFixed(0)} MB, ${slope('rssMb').toFixed(1)} MB a minute`,
);
const lags = samples.map(({ lagP99Ms }) => lagP99Ms).sort((a, b) => a - b);
print(
  `event loop delay: p99 of ${lags[Math.floor(lags.length / 2)]!.toFixed(1)} ms (median of ${lags.length} looks; forced collections included)`,
);

server.process.kill('SIGTERM');
const { code } = await server.finished;
await Promise.all([redis.stop(), provider.close()]);
const strange = [...failures.keys()].filter((failure) => !named.has(failure));
if (tally.wrong > 0 || strange.length > 0 || code !== 0) {
  print(
    `FAILED: ${tally.wrong} wrong vectors, ${strange.join(', ') || 'no strange failures'}, exit code ${code}`,
  );
  process.exit(1);
}
