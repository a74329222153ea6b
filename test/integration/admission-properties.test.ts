import fc from 'fast-check';
import { countTokens } from 'gpt-tokenizer/encoding/cl100k_base';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type GraphQLAnswer, startEmbedQL, type TestServer } from '../support/embedql.ts';
import { type ProviderServer, startProvider } from '../support/provider-server.ts';
import { type RandomRequest, requests, runOf } from '../support/random-requests.ts';

let provider: ProviderServer;

beforeEach(async () => {
  provider = await startProvider();
});
afterEach(() => provider.close());

const usdPerToken: Record<string, number> = {
  'text-embedding-3-small': 0.02e-6,
  'text-embedding-3-large': 0.13e-6,
};

/** A request that was answered. */
interface Answered {
  request: RandomRequest;
  /** For people who look for what is wrong. */
  body: string;
  key: string;
  /** Texts that were admitted, by the server's own figures. */
  admitted: number;
}

/** Texts that a request may have at the most: operations of a list share the limit, and one that is over it alone has none. */
function allowed({ texts }: RandomRequest, limit: number): number {
  const asked = texts.filter((count) => count <= limit).reduce((sum, count) => sum + count, 0);
  return asked > limit ? 0 : asked;
}

const isTooLarge = ({ texts }: RandomRequest, limit: number) =>
  texts.reduce((sum, count) => sum + count, 0) > limit;

const authorization = (key: string): Record<string, string> =>
  key === 'anonymous' ? {} : { authorization: `Bearer ${key}-key` };

async function admitted({ url }: TestServer, key: string): Promise<number> {
  const headers = authorization(key === 'anonymous' ? key : 'ops');
  const page = await (await fetch(`${url}/metrics`, { headers })).text();
  return Number(new RegExp(`^embedql_key_texts_total{key="${key}"} (\\d+)$`, 'm').exec(page)?.[1] ?? 0);
}

/** Sends a request whose texts are those of this run, and checks its answer. */
async function send(
  server: TestServer,
  request: RandomRequest,
  { run, key, limit }: { run: number; key: string; limit: number },
): Promise<Answered> {
  const before = await admitted(server, key);
  const whole = request.body(run);
  const body = whole.slice(0, 3_000);
  const headers = { ...request.headers, ...authorization(key) };
  const response = await fetch(server.url + request.path, { method: 'POST', body: whole, headers });
  const answer = await response.text();
  expect(response.status, body).toBeLessThan(500);
  expect(answer, body).not.toContain('INTERNAL_SERVER_ERROR');
  if (request.valid && request.path === '/graphql' && request.headers['accept'] === 'application/json') {
    const errors = [JSON.parse(answer)].flat().flatMap((one: GraphQLAnswer) => one.errors ?? []);
    // Else the requests are not what they are taken for here.
    for (const { path, extensions } of errors)
      if (!path) expect(extensions['code'], body).toMatch(/^(COST_LIMIT_EXCEEDED|RATE_LIMITED)$/);
  }
  if (isTooLarge(request, limit)) {
    if (request.path === '/v1/embeddings') expect(response.status, body).toBeGreaterThanOrEqual(400);
    else if (request.valid) expect(answer, body).toContain('COST_LIMIT_EXCEEDED');
  }
  return { request, body, key, admitted: (await admitted(server, key)) - before };
}

/**
 * What reached the provider, request by request. An answer may come before what was begun with it, so this holds once the
 * server has stopped.
 * @returns by key, the texts and what they cost
 */
function checkComputed(answered: readonly Answered[], limit: number) {
  const computed = answered.map(() => 0);
  const byKey = new Map<string, { texts: number; usd: number }>();
  for (const { model, input } of provider.calls) {
    for (const text of input) {
      const run = runOf(text);
      if (run === undefined) continue;
      computed[run]! += 1;
      const { key } = answered[run]!;
      const { texts, usd } = byKey.get(key) ?? { texts: 0, usd: 0 };
      byKey.set(key, { texts: texts + 1, usd: usd + countTokens(text) * usdPerToken[model]! });
    }
  }
  for (const [run, { request, body, admitted }] of answered.entries()) {
    expect(computed[run], body).toBeLessThanOrEqual(Math.min(allowed(request, limit), admitted));
    expect(admitted, body).toBeLessThanOrEqual(limit);
  }
  expect(provider.calls.reduce((sum, { input }) => sum + input.length, 0)).toBeLessThanOrEqual(
    answered.reduce((sum, one) => sum + one.admitted, 0),
  );
  return (key: string) => byKey.get(key) ?? { texts: 0, usd: 0 };
}

// Requests change what later ones find in the cache, so none is made smaller.
const settings = { seed: 20_261_125, endOnFailure: true } as const;

describe('whatever is asked for, no more is computed than was admitted, and no more is admitted than allowed', () => {
  test('with keys, of which one is limited in texts and one in money', { timeout: 60_000 }, async () => {
    const limit = 12;
    const textsPerMinute = 60;
    const usdPerDay = 0.000_001;
    const server = await startEmbedQL({
      ...provider.env,
      EMBEDQL_MAX_TEXTS: String(limit),
      EMBEDQL_API_KEYS: 'texts:texts-key,money:money-key,free:free-key',
      EMBEDQL_ADMIN_KEYS: 'ops:ops-key',
      EMBEDQL_KEY_LIMITS: `texts:${textsPerMinute}/min,money:${usdPerDay}usd/day`,
    });
    const began = Date.now();
    const answered: Answered[] = [];
    const key = fc.constantFrom('texts', 'money', 'free', 'free');
    await fc.assert(
      fc.asyncProperty(requests, key, async (request, name) => {
        answered.push(await send(server, request, { run: answered.length, key: name, limit }));
      }),
      { ...settings, numRuns: 300 },
    );
    await server.stop();
    const minutes = Math.floor((Date.now() - began) / 60_000) + 1;
    const computed = checkComputed(answered, limit);
    expect(computed('texts').texts).toBeLessThanOrEqual(minutes * textsPerMinute);
    expect(computed('money').usd).toBeLessThanOrEqual(usdPerDay * (1 + 1e-9));
    // The requests have come to all of it.
    expect(answered.filter(({ request }) => isTooLarge(request, limit)).length).toBeGreaterThan(20);
    expect(computed('free').texts).toBeGreaterThan(100);
    expect(computed('texts').texts).toBeGreaterThan(10);
    expect(computed('money').usd).toBeGreaterThan(usdPerDay / 4);
  });

  test('without keys, and with the limits that there are by default', { timeout: 60_000 }, async () => {
    const server = await startEmbedQL(provider.env);
    const limit = (await server.graphql('{ limits { maxTexts } }')).data.limits.maxTexts as number;
    const answered: Answered[] = [];
    await fc.assert(
      fc.asyncProperty(requests, async (request) => {
        answered.push(await send(server, request, { run: answered.length, key: 'anonymous', limit }));
      }),
      { ...settings, numRuns: 150 },
    );
    await server.stop();
    expect(checkComputed(answered, limit)('anonymous').texts).toBeGreaterThan(100);
    expect(answered.filter(({ request }) => isTooLarge(request, limit))).not.toEqual([]);
  });
});
