import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { acme } from '../../examples/provider/acme.ts';
import { providers } from '../../src/providers/registry.ts';
import { startEmbedQL, type TestServer } from '../support/embedql.ts';

const calls: string[][] = [];
let failures = 0;
let server: TestServer;
const service = createServer(async (request, response) => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const { texts } = JSON.parse(Buffer.concat(chunks).toString()) as { texts: string[] };
  calls.push(texts);
  if (failures-- > 0) return response.writeHead(503).end();
  if (texts.includes('bad')) return response.writeHead(400).end();
  const vectors = texts.map((text) => [text.length, 1, 0]);
  return response.end(JSON.stringify({ vectors, tokens: texts.map((text) => text.length) }));
});

beforeAll(async () => {
  await new Promise<void>((resolve) => service.listen(0, '127.0.0.1', resolve));
  const baseUrl = `http://127.0.0.1:${(service.address() as AddressInfo).port}`;
  const file = path.join(await mkdtemp(path.join(tmpdir(), 'embedql-acme-')), 'models.json');
  const entry = { provider: 'acme', baseUrl, dimension: 3, maxInputTokens: 10, costPer1kTokens: 1 };
  await writeFile(file, JSON.stringify({ models: [{ ...entry, name: 'acme-embed' }] }));
  server = await startEmbedQL(
    { EMBEDQL_MODELS_FILE: file, EMBEDQL_DEFAULT_MODEL: 'acme-embed', ACME_KEY: 'k' },
    [...providers, acme],
  );
});
afterAll(async () => {
  await server.stop();
  service.close();
  service.closeAllConnections();
});

test('the example of docs/providers.md is the one that runs here, in at most 40 lines', async () => {
  const code = await readFile(new URL('../../examples/provider/acme.ts', import.meta.url), 'utf8');
  const page = await readFile(new URL('../../docs/providers.md', import.meta.url), 'utf8');
  expect(page).toContain(`\`\`\`ts\n${code}\`\`\``);
  expect(code.trimEnd().split('\n').length).toBeLessThanOrEqual(40);
});

test('a provider of forty lines gets batches, retries, splitting, truncation and accounting', async () => {
  failures = 1;
  const { data, errors } = await server.graphql(`mutation {
    a: embed(text: "one") { embedding cost tokens }
    b: embed(text: "bad") { embedding }
    c: embed(text: "three, and more") { embedding truncated tokens }
  }`);
  expect(errors).toMatchObject([{ path: ['b'], message: 'Acme refuses this text; change it.' }]);
  expect(data).toEqual({
    a: { embedding: [3, 1, 0], cost: 0.003, tokens: 3 },
    b: null,
    c: { embedding: [10, 1, 0], truncated: true, tokens: 10 },
  });
  expect(calls[0]).toEqual(['one', 'bad', 'three, and']);
  expect(calls[1]).toEqual(calls[0]);
  const { metrics } = (await server.graphql('{ metrics { providerCalls totalTokens totalCostUsd } }')).data;
  expect(metrics).toEqual({ providerCalls: calls.length, totalTokens: 13, totalCostUsd: 0.013 });
});
