import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type HostileRequest, hostileRequests, sendHostile } from '../support/hostile.ts';
import { collectable, metricsOfLiveObjects, serveEmbedQL } from '../support/processes.ts';
import { type ProviderServer, startProvider } from '../support/provider-server.ts';

/** What the server may hold: for its clients, of one answer, in its cache. */
const bufferedMb = 64;
const answerMb = 32;
const cacheMb = 8;
const maxTexts = 2_048;
const maxTokens = 5_000_000;

let provider: ProviderServer;
let server: Awaited<ReturnType<typeof serveEmbedQL>>;
beforeAll(async () => {
  provider = await startProvider();
  server = await serveEmbedQL({
    ...provider.env,
    // A promise that nobody looks after ends the process, and so the test.
    NODE_OPTIONS: `${collectable} --unhandled-rejections=strict --max-old-space-size=512`,
    EMBEDQL_MAX_BUFFERED_MB: String(bufferedMb),
    EMBEDQL_MAX_ANSWER_BYTES: String(answerMb * 1_048_576),
    EMBEDQL_MEMORY_CACHE_MB: String(cacheMb),
  });
});
afterAll(async () => {
  server.process.kill('SIGTERM');
  await server.finished;
  await provider.close();
});

/** @returns what is wrong with the answer; undefined for a good one */
async function send(request: HostileRequest): Promise<string | undefined> {
  const { name } = request;
  const { status, text } = await sendHostile(server.url, request);
  if (text.length > answerMb * 1_048_576) return `${name}: an answer of ${text.length} bytes`;
  if (text.slice(0, 10_000).includes('INTERNAL_SERVER_ERROR')) return `${name}: ${text.slice(0, 300)}`;
  // 503 is what a full server says.
  return status >= 500 && status < 600 && status !== 503 ? `${name}: HTTP ${status}` : undefined;
}

test('200 hostile requests: each is answered, none goes past admission, the process is up and has not grown', async () => {
  const requests = hostileRequests(0.25);
  const before = (await metricsOfLiveObjects(server))('process_resident_memory_bytes');
  const picks = fc.sample(fc.nat(requests.length - 1), { seed: 20_261_125, numRuns: 200 - requests.length });
  const queue = [...requests, ...picks.map((i) => requests[i]!)].values();
  const flaws: string[] = [];
  await Promise.all(
    Array.from({ length: 4 }, async () => {
      for (const request of queue) {
        const flaw = await send(request).catch((error) => `${request.name}: ${error.cause ?? error}`);
        if (flaw) flaws.push(flaw);
      }
    }),
  );
  expect(flaws).toEqual([]);
  const metrics = await metricsOfLiveObjects(server);
  const grown = metrics('process_resident_memory_bytes') - before;
  expect(grown / 1_048_576).toBeLessThan(3 * (bufferedMb + answerMb + cacheMb));
  for (const { input } of provider.calls) {
    expect(input.length).toBeLessThanOrEqual(maxTexts);
    expect(input.every((text) => text.isWellFormed())).toBe(true);
  }
  expect(provider.billedTokens()).toBeLessThan(maxTokens * 200);
  expect(server.process.exitCode).toBeNull();
  expect(server.stdout()).not.toMatch(/"level":[56]0/);
}, 300_000);

test('one long text under hundreds of names is refused by its length, before anything looks at it', async () => {
  provider.forget();
  const names = Array.from({ length: 500 }, (_, i) => `e${i}: embed(text: $t) { tokens }`).join(' ');
  const query = `mutation($t: String!) { ${names} }`;
  const ask = async (length: number) =>
    (
      await fetch(`${server.url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ query, variables: { t: 'ab '.repeat(length / 3) } }),
      })
    ).json();
  expect(await ask(300_000)).toMatchObject({ errors: [{ extensions: { code: 'COST_LIMIT_EXCEEDED' } }] });
  expect(provider.calls).toHaveLength(0);
  const { data } = (await ask(30_000)) as { data: Record<string, { tokens: number }> };
  expect(Object.keys(data)).toHaveLength(500);
  expect(provider.calls).toHaveLength(1);
}, 60_000);

test.each([
  [
    '/graphql',
    `{"query":"{ __typename }","variables":{"a":${'['.repeat(300_000)}${']'.repeat(300_000)}}}`,
    'COST_LIMIT_EXCEEDED',
  ],
  ['/v1/embeddings', JSON.stringify({ input: new Array(300_000).fill([1]) }), 'cost_limit_exceeded'],
])('lists in lists are refused before they are read, at %s', async (path, body, code) => {
  const response = await fetch(server.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
  });
  const answer = await response.text();
  expect(answer).toContain(code);
  expect(answer).toContain('EMBEDQL_MAX_BODY_BYTES');
});
