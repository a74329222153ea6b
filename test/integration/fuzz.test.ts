import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { errorCodes } from '../../src/core/errors.ts';
import { type FuzzCase, fuzzCase, rawBytes } from '../support/fuzz.ts';
import { collectable, metricsOfLiveObjects, serveEmbedQL } from '../support/processes.ts';
import { type ProviderServer, startProvider } from '../support/provider-server.ts';

const seed = 20_261_125;
const httpCases = 29_000;
/** Small enough that many cases are past them. */
const maxTexts = 100;
const maxAnswerBytes = 2_000_000;
const rawCases = 1_000;

let provider: ProviderServer;
let server: Awaited<ReturnType<typeof serveEmbedQL>>;
const agent = new Agent({ keepAlive: true, maxSockets: 16 });

beforeAll(async () => {
  provider = await startProvider();
  server = await serveEmbedQL({
    ...provider.env,
    EMBEDQL_MEMORY_CACHE_MB: '8',
    // A promise that nobody looks after ends the process, and so the test.
    NODE_OPTIONS: `${collectable} --unhandled-rejections=strict`,
    EMBEDQL_MAX_TEXTS: String(maxTexts),
    EMBEDQL_MAX_ANSWER_BYTES: String(maxAnswerBytes),
    EMBEDQL_TRANSFER_TIMEOUT_MS: '500',
  });
});
afterAll(async () => {
  agent.destroy();
  server.process.kill('SIGTERM');
  await server.finished;
  await provider.close();
});

interface Answer {
  status: number;
  type: string;
  text: string;
}

/** A machine that is busy can take longer for a request than the server waits; once, not twice. */
async function send(one: FuzzCase): Promise<Answer> {
  return sendOnce(one).catch(() => sendOnce(one));
}

async function sendOnce({ method, path, headers, body }: FuzzCase): Promise<Answer> {
  const sent = request(server.url + path, {
    agent,
    method,
    headers: { ...headers, ...(body ? { 'content-length': body.length } : {}) },
  });
  sent.end(body);
  const [response] = await once(sent, 'response');
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  return {
    status: response.statusCode,
    type: String(response.headers['content-type'] ?? ''),
    text: Buffer.concat(chunks).toString(),
  };
}

/** What is wrong with an answer; undefined for a good one. */
function flaw({ method }: FuzzCase, { status, type, text }: Answer): string | undefined {
  if (status >= 500) return `status ${status}`;
  if (method === 'HEAD' || text === '') return undefined;
  if (!type.includes('json')) return /^(text\/|multipart\/)/.test(type) ? undefined : `type ${type}`;
  if (text.length > maxAnswerBytes) return `${text.length} bytes`;
  const { errors, error } = JSON.parse(text) as {
    errors?: Array<{ message: string; extensions: { code: string; retryable: boolean } }>;
    error?: { code: string };
  };
  const codes = [
    ...(errors ?? []).map(({ extensions }) => extensions.code),
    ...(error ? [error.code.toUpperCase()] : []),
  ];
  const strange = codes.find(
    (code) => !(errorCodes as readonly string[]).includes(code) || code === 'INTERNAL_SERVER_ERROR',
  );
  return strange && `code ${strange}`;
}

const liveHeapBytes = async () => (await metricsOfLiveObjects(server))('nodejs_heap_size_used_bytes');

async function all<Case>(
  cases: readonly Case[],
  atOnce: number,
  work: (one: Case) => Promise<void>,
): Promise<void> {
  const queue = cases.values();
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (const one of queue) await work(one);
    }),
  );
}

test('whatever is sent gets a well-formed answer, never an error of ours, and leaves nothing behind', async () => {
  const cases = fc.sample(fuzzCase, { seed, numRuns: httpCases });
  const flaws: string[] = [];
  const run = (some: readonly FuzzCase[]) =>
    all(some, 16, async (one) => {
      const problem = flaw(one, await send(one));
      if (problem)
        flaws.push(`${problem}: ${one.method} ${one.path} ${JSON.stringify(one.headers)} ${one.body}`);
    });
  await run(cases.slice(0, httpCases / 2));
  const before = await liveHeapBytes();
  await run(cases.slice(httpCases / 2));
  const after = await liveHeapBytes();
  expect(flaws).toEqual([]);
  // Nothing is sent that was not admitted: what was admitted is counted where nothing else is known of it.
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  const [, admitted] = /^embedql_key_texts_total\{[^}]*\} (\d+)/m.exec(metrics) ?? [];
  const sent = provider.calls.reduce((sum, { input }) => sum + input.length, 0);
  expect(sent).toBeGreaterThan(100);
  expect(sent).toBeLessThanOrEqual(Number(admitted));
  for (const { input } of provider.calls) expect(input.every((text) => text.isWellFormed())).toBe(true);
  expect(after - before).toBeLessThan(20_000_000);
  expect(server.stdout()).not.toContain('"level":50');
}, 240_000);

test('what is hardly HTTP gets an answer of HTTP, or none', async () => {
  const { hostname, port } = new URL(server.url);
  const answers: string[] = [];
  await all(fc.sample(rawBytes, { seed, numRuns: rawCases }), 32, async (bytes) => {
    const socket = connect(Number(port), hostname);
    let answer = '';
    socket.on('data', (chunk) => {
      answer += chunk;
    });
    socket.on('error', () => {});
    const closed = once(socket, 'close');
    socket.end(bytes);
    await closed;
    answers.push(answer);
  });
  expect(answers).toHaveLength(rawCases);
  for (const answer of answers) expect(answer).toMatch(/^$|^HTTP\/1\.1 [234]\d\d /);
  expect((await fetch(`${server.url}/health`)).status).toBe(200);
}, 120_000);
