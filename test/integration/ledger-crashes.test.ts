import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { serveEmbedQL } from '../support/processes.ts';
import { type ProviderServer, type SeenCall, startProvider } from '../support/provider-server.ts';
import { hasRedisServer, startRedis } from '../support/redis-server.ts';

const today = () => new Date().toISOString().slice(0, 10);

interface Row {
  tag: string;
  tokens: number;
  costUsd: number;
  lostSeconds: number;
  lossy: boolean;
}

/** A server, the provider that bills it alone, and clients that ask at random and give up at random. */
class Replica {
  readonly tag: string;
  readonly provider: ProviderServer;
  readonly #server: Awaited<ReturnType<typeof serveEmbedQL>>;
  readonly #seen: Array<{ at: number; call: SeenCall }> = [];
  readonly #clients: Array<Promise<void>> = [];
  #asking = true;
  #killedAt = Number.POSITIVE_INFINITY;

  private constructor(
    tag: string,
    provider: ProviderServer,
    server: Awaited<ReturnType<typeof serveEmbedQL>>,
  ) {
    this.tag = tag;
    this.provider = provider;
    this.#server = server;
    provider.misbehave = (call) => {
      this.#seen.push({ at: Date.now(), call });
      return false;
    };
  }

  static async start(tag: string, env: Record<string, string>): Promise<Replica> {
    const provider = await startProvider({ delayMs: 5 });
    return new Replica(tag, provider, await serveEmbedQL({ ...provider.env, ...env }));
  }

  /** Some texts are new, some were asked for before, here or elsewhere; some clients leave early. */
  ask(clients: number, random: () => number): void {
    for (let client = 0; client < clients; client++) this.#clients.push(this.#client(random));
  }

  async #client(random: () => number): Promise<void> {
    while (this.#asking) {
      const input = Array.from({ length: 1 + Math.floor(random() * 20) }, () => {
        const words = Math.floor(random() * 2_000);
        return `text ${words} ${'word '.repeat(words % 17)}`;
      });
      const leaves = random() < 0.1 ? AbortSignal.timeout(Math.ceil(random() * 20)) : null;
      await fetch(`${this.#server.url}/v1/embeddings`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-embedql-tag': this.tag },
        body: JSON.stringify({ model: 'text-embedding-3-small', input }),
        signal: leaves,
      })
        .then((response) => response.arrayBuffer())
        .catch(() => sleep(5));
    }
  }

  async rest(): Promise<void> {
    this.#asking = false;
    await Promise.all(this.#clients.splice(0));
  }

  async kill(): Promise<void> {
    this.#killedAt = Date.now();
    this.#server.process.kill('SIGKILL');
    await this.#server.finished;
    await this.rest();
  }

  async stop(): Promise<void> {
    await this.rest();
    this.#server.process.kill('SIGTERM');
    await this.#server.finished;
  }

  async spend(groupBy: string): Promise<Row[]> {
    const response = await fetch(`${this.#server.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        query: `{ spend(from: "${today()}", to: "${today()}", groupBy: ${groupBy}) { tag tokens costUsd lostSeconds lossy } }`,
      }),
    });
    return ((await response.json()) as { data: { spend: Row[] } }).data.spend;
  }

  get bill(): number {
    return this.provider.billedTokens();
  }

  /** What the provider has billed since a second before the end: the most that may be missing. */
  get billOfLastSecond(): number {
    return this.#seen
      .filter(({ at }) => at > this.#killedAt - 1_000)
      .reduce((sum, { call }) => sum + call.billedTokens, 0);
  }
}

/** The same numbers in every run. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

describe('the books after crashes', () => {
  const replicas: Replica[] = [];
  const ends: Array<() => Promise<unknown>> = [];
  afterEach(async () => {
    await Promise.all(replicas.map((replica) => replica.stop()));
    await Promise.all(replicas.splice(0).map(({ provider }) => provider.close()));
    await Promise.all(ends.splice(0).map((end) => end()));
  }, 60_000);
  const start = async (tag: string, env: Record<string, string>) => {
    const replica = await Replica.start(tag, env);
    replicas.push(replica);
    return replica;
  };
  const tokensOf = async (replica: Replica) =>
    new Map((await replica.spend('[TAG]')).map(({ tag, tokens }) => [tag, tokens]));

  test.skipIf(!hasRedisServer)(
    'four replicas with random load, two killed: spend is the sum of the bills but for the last second of those two',
    async () => {
      const redis = await startRedis();
      ends.push(() => redis.stop());
      const all = await Promise.all(['a', 'b', 'c', 'd'].map((tag) => start(tag, { REDIS_URL: redis.url })));
      const [a, b, c, d] = all as [Replica, Replica, Replica, Replica];
      const random = randomFrom(21);
      for (const replica of all) replica.ask(6, random);
      await sleep(3_000);
      await c.kill();
      await sleep(1_000);
      await d.kill();
      await sleep(2_000);
      await Promise.all([a.rest(), b.rest()]);
      // What was under way when its client left is still booked.
      await sleep(500);
      await Promise.all([a.spend('[]'), b.spend('[]')]);
      const tokens = await tokensOf(a);
      for (const replica of [a, b]) expect(tokens.get(replica.tag), replica.tag).toBe(replica.bill);
      for (const replica of [c, d]) {
        const missing = replica.bill - tokens.get(replica.tag)!;
        expect(missing, replica.tag).toBeGreaterThanOrEqual(0);
        expect(missing, replica.tag).toBeLessThanOrEqual(replica.billOfLastSecond);
      }
      const [row] = await b.spend('[]');
      expect(row!.tokens).toBe([...tokens.values()].reduce((sum, one) => sum + one));
      expect(row!.costUsd).toBeCloseTo((row!.tokens * 0.00002) / 1_000, 12);
      await expect
        .poll(async () => (await b.spend('[]'))[0]!.lostSeconds, { timeout: 40_000, interval: 1_000 })
        .toBe(2);
      expect((await b.spend('[]'))[0]!.lossy).toBe(false);
    },
    120_000,
  );

  test('a server with a disk, killed in the middle and at rest, and stopped: the same', async () => {
    const dir = await mkdtemp(path.join(tmpdir(), 'books-crash-'));
    ends.push(() => rm(dir, { recursive: true, force: true }));
    const random = randomFrom(7);
    const env = { EMBEDQL_CACHE_DIR: dir };
    const working = await start('working', env);
    working.ask(6, random);
    await sleep(2_500);
    await working.kill();
    const resting = await start('resting', env);
    resting.ask(6, random);
    await sleep(1_500);
    await resting.rest();
    await sleep(1_500);
    await resting.kill();
    const stopped = await start('stopped', env);
    stopped.ask(6, random);
    await sleep(1_000);
    await stopped.stop();
    const last = await start('last', env);
    last.ask(2, random);
    await sleep(500);
    await last.rest();
    await sleep(500);
    const tokens = await tokensOf(last);
    for (const replica of [resting, stopped, last])
      expect(tokens.get(replica.tag) ?? 0, replica.tag).toBe(replica.bill);
    const missing = working.bill - tokens.get('working')!;
    expect(missing).toBeGreaterThanOrEqual(0);
    expect(missing).toBeLessThanOrEqual(working.billOfLastSecond);
    await expect
      .poll(async () => (await last.spend('[]'))[0]!.lostSeconds, { timeout: 40_000, interval: 1_000 })
      .toBe(2);
  }, 120_000);
});
