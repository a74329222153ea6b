import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { toLog } from '../../src/core/surroundings.ts';
import { startEmbedQL, type TestServer } from '../support/embedql.ts';
import { type ProviderServer, startProvider } from '../support/provider-server.ts';
import { hasRedisServer, startRedis } from '../support/redis-server.ts';

const price = 0.00002 / 1_000;

describe('money by day and by month', () => {
  let provider: ProviderServer;
  const ends: Array<() => Promise<unknown>> = [];
  const servers: TestServer[] = [];
  beforeAll(async () => {
    provider = await startProvider();
  });
  afterEach(async () => {
    await Promise.all(servers.splice(0).map((server) => server.stop()));
    await Promise.all(ends.splice(0).map((end) => end()));
    provider.forget();
  });
  afterAll(() => provider.close());

  const warnings: Array<[fields: unknown, message: unknown]> = [];
  const nothing = () => {};
  const log = toLog({
    debug: nothing,
    info: nothing,
    error: nothing,
    warn: (...line) => void warnings.push(line as never),
  });
  const start = async (limits: string, env: Record<string, string> = {}) => {
    const settings = {
      ...provider.env,
      EMBEDQL_API_KEYS: 'web:one,free:two',
      EMBEDQL_KEY_LIMITS: limits,
      ...env,
    };
    const server = await startEmbedQL(settings, undefined, log);
    servers.push(server);
    return server;
  };
  const headers = (key = 'one') => ({ 'content-type': 'application/json', authorization: `Bearer ${key}` });
  const embed = (server: TestServer, text: string, key?: string) =>
    fetch(`${server.url}/v1/embeddings`, {
      method: 'POST',
      headers: headers(key),
      body: JSON.stringify({ model: 'text-embedding-3-small', input: text }),
    });
  const leftOf = (response: Response) => {
    const header = response.headers.get('x-embedql-budget-left');
    return header === null
      ? undefined
      : (Object.fromEntries(header.split(' ').map((one) => one.split('='))) as Record<string, string>);
  };
  const left = (usd: number) => usd - provider.billedTokens() * price;

  test('every door says what is left, and a key without a limit is told nothing', async () => {
    const server = await start('web:0.001usd/day:0.01usd/month');
    const first = await embed(server, 'one two three');
    expect(Number(leftOf(first)!['day'])).toBeCloseTo(left(0.001), 9);
    expect(Number(leftOf(first)!['month'])).toBeCloseTo(left(0.01), 9);
    const graphql = await server.post(
      { query: 'mutation { embed(text: "four five") { cost } }' },
      { headers: headers() },
    );
    expect(Number(leftOf(graphql)!['day'])).toBeCloseTo(left(0.001), 9);
    const list = await server.post(
      [{ query: 'mutation { embed(text: "six") { cost } }' }, { query: '{ __typename }' }],
      { headers: headers() },
    );
    expect(Number(leftOf(list)!['month'])).toBeCloseTo(left(0.01), 9);
    for (const response of [
      await server.post(
        { query: 'subscription { embedStream(texts: ["seven"]) { done } }' },
        { headers: { ...headers(), accept: 'text/event-stream' } },
      ),
      await fetch(`${server.url}/v1/models`, { headers: headers() }),
    ]) {
      expect(leftOf(response)).toEqual({
        day: expect.stringMatching(/^0\.000\d+$/),
        month: expect.stringMatching(/^0\.00\d+$/),
      });
      await response.text();
    }
    const free = await embed(server, 'eight', 'two');
    expect(leftOf(free)).toBeUndefined();
    const page = await (await fetch(`${server.url}/metrics`, { headers: headers() })).text();
    expect(page).toContain('embedql_key_budget_usd{key="web",per="month"} 0.01');
    expect(page).toMatch(/^embedql_key_budget_left_usd\{key="web",per="day"\} 0\.000\d+$/m);
    expect(page).not.toContain('key="free",per=');
  });

  test('a month that is spent refuses what the day would allow; at 80 % there is one line', async () => {
    warnings.length = 0;
    // Ten tokens.
    const server = await start(`web:1usd/day:${(10 * price).toFixed(9)}usd/month`);
    expect((await embed(server, 'a b c d e f g h')).status).toBe(200);
    for (let i = 0; i < 3; i++) {
      const refused = await embed(server, `one two three ${i}`);
      expect(refused.status).toBe(429);
      expect(JSON.stringify(await refused.json())).toMatch(/USD for the month/);
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    }
    expect((await embed(server, 'a b c d e f g h')).status).toBe(200);
    expect(provider.billedTokens()).toBe(8);
    expect(warnings.filter(([, message]) => /80 %/.test(String(message)))).toEqual([
      [
        expect.objectContaining({ key: 'web', per: 'month' }),
        expect.stringMatching(/^The key web has used 80 % of its .* USD for the month/),
      ],
    ]);
  });

  test.skipIf(!hasRedisServer)(
    'replicas share a month over restarts, and each knows what the others have spent',
    async () => {
      const redis = await startRedis();
      ends.push(() => redis.stop());
      const limits = `web:${(20 * price).toFixed(9)}usd/month`;
      const [a, b] = [
        await start(limits, { REDIS_URL: redis.url }),
        await start(limits, { REDIS_URL: redis.url }),
      ];
      await embed(a, 'a b c d e f g h');
      await servers.shift()!.stop();
      const c = await start(limits, { REDIS_URL: redis.url });
      await embed(b, 'i j k l m n o p');
      expect((await embed(c, 'q r s t u v w x')).status).toBe(429);
      expect(provider.billedTokens()).toBe(16);
      const known = await embed(c, 'a b c d e f g h');
      expect(known.status).toBe(200);
      expect(Number(leftOf(known)!['month'])).toBeCloseTo(4 * price, 12);
      const month = new Date().toISOString().slice(0, 7);
      expect(await redis.client.ttl(`{embedql}:money:web:${month}`)).toBeGreaterThan(32 * 86_400);
    },
  );
});
