import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { composeServices as composeWithApollo } from '@apollo/composition';
import { composeServices as composeWithHive } from '@theguild/federation-composition';
import { parse } from 'graphql';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { startEmbedQL, type TestServer } from '../support/embedql.ts';
import { type ProviderServer, startProvider, vectorOf } from '../support/provider-server.ts';
import { asFloat32 } from '../support/vectors.ts';

let provider: ProviderServer;
let server: TestServer;

beforeAll(async () => {
  provider = await startProvider();
  server = await startEmbedQL(provider.env);
});
beforeEach(() => provider.forget());
afterAll(async () => {
  await server.stop();
  await provider.close();
});

let texts = 0;
const fresh = () => `entity text ${++texts}`;
const entities = (representations: unknown[]) =>
  server.graphql(
    `query($representations: [_Any!]!) { _entities(representations: $representations) {
       ... on EmbeddedText { text model embedding { embedding cost } }
       ... on Model { name dimension }
     } }`,
    { representations },
  );

describe('as a subgraph', () => {
  test('its schema composes with one that returns stubs', async () => {
    const { sdl } = (await server.graphql('{ _service { sdl } }')).data._service;
    expect(sdl).toMatch(/type EmbeddedText\s+@key\(fields: "text model"\)\s+@key\(fields: "text"\)/);
    expect(sdl).toMatch(/type Model\s+@key\(fields: "name"\)/);
    const products = `
      extend schema @link(url: "https://specs.apollo.dev/federation/v2.3", import: ["@key"])
      type Query { products: [Product!]! }
      type Product @key(fields: "id") { id: ID! description: String! descriptionText: EmbeddedText! model: Model }
      type EmbeddedText @key(fields: "text", resolvable: false) { text: String! }
      type Model @key(fields: "name", resolvable: false) { name: String! }
    `;
    const subgraphs = [
      { name: 'embedql', typeDefs: parse(sdl), url: 'http://embedql' },
      { name: 'products', typeDefs: parse(products), url: 'http://products' },
    ];
    for (const { errors, supergraphSdl } of [composeWithApollo(subgraphs), composeWithHive(subgraphs)]) {
      expect(errors?.map(({ message }) => message) ?? []).toEqual([]);
      expect(supergraphSdl).toContain('descriptionText');
    }
  });

  test('N representations are one provider call for each model, in their order', async () => {
    const asked = Array.from({ length: 60 }, fresh);
    const { data, errors } = await entities([
      ...asked.map((text, i) => ({
        __typename: 'EmbeddedText',
        text,
        ...(i % 3 ? {} : { model: 'text-embedding-ada-002' }),
      })),
      { __typename: 'Model', name: 'all-MiniLM-L6-v2' },
    ]);
    expect(errors).toBeUndefined();
    for (const [i, text] of asked.entries()) {
      expect(data._entities[i]).toMatchObject({
        text,
        model: i % 3 ? 'text-embedding-3-small' : 'text-embedding-ada-002',
      });
      expect(asFloat32(data._entities[i].embedding.embedding)).toEqual(Array.from(vectorOf(text)));
    }
    expect(data._entities[60]).toEqual({ name: 'all-MiniLM-L6-v2', dimension: 384 });
    expect(provider.calls.map(({ input }) => input.length).sort()).toEqual([20, 40]);
  });

  test('a text that the provider refuses fails alone, and its entity is still there', async () => {
    const [good, bad] = [fresh(), `${provider.poison} ${fresh()}`];
    const { data, errors } = await entities(
      [good, bad].map((text) => ({ __typename: 'EmbeddedText', text })),
    );
    expect(data._entities).toMatchObject([
      { text: good, embedding: { cost: expect.any(Number) } },
      { text: bad, embedding: null },
    ]);
    expect(errors).toMatchObject([
      { path: ['_entities', 1, 'embedding'], extensions: { code: 'PROVIDER_ERROR' } },
    ]);
  });
});

const example = new URL('../../examples/federation/', import.meta.url);
const hasGateway = existsSync(new URL('node_modules/', example));
if (!hasGateway)
  process.stderr.write('SKIPPED: the gateway is not installed (cd examples/federation && npm ci)\n');

describe.skipIf(!hasGateway)('behind Hive Gateway', () => {
  let running: ChildProcess;
  let gateway: string;

  beforeAll(async () => {
    // The example's one command: products, EmbedQL and the gateway.
    const env = { ...process.env, ...provider.env, GATEWAY_PORT: '0' };
    running = spawn('npm', ['start'], { cwd: fileURLToPath(example), env, detached: true });
    let output = '';
    running.stdout!.on('data', (chunk: Buffer) => {
      output += chunk;
    });
    gateway = await vi.waitFor(() => /The gateway is at (http\S+?)\. /.exec(output)![1]!, {
      timeout: 60_000,
    });
  });
  afterAll(() => process.kill(-running.pid!, 'SIGTERM'));

  const ask = (query: string, accept: string) =>
    fetch(gateway, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept },
      body: JSON.stringify({ query }),
    });

  test('50 products with their embeddings are one provider call', async () => {
    const query = '{ products(first: 50) { name descriptionText { text embedding { embedding } } } }';
    const { data, errors } = (await (await ask(query, 'application/json')).json()) as {
      data: { products: Array<{ descriptionText: { text: string; embedding: { embedding: number[] } } }> };
      errors?: unknown;
    };
    expect(errors).toBeUndefined();
    expect(data.products).toHaveLength(50);
    for (const { descriptionText } of data.products) {
      expect(asFloat32(descriptionText.embedding.embedding)).toEqual(
        Array.from(vectorOf(descriptionText.text)),
      );
    }
    expect(provider.calls.map(({ input }) => input.length)).toEqual([50]);
  });

  test('with @defer the products come first, and their embeddings in one call after them', async () => {
    const query =
      '{ products(first: 50) { name descriptionText { text ... @defer { embedding { dimension cached } } } } }';
    const text = await (await ask(query, 'multipart/mixed')).text();
    const [first, second] = text.split('\r\n---\r\n').filter((part) => part.includes('hasNext'));
    expect(first).toContain('Product 50');
    expect(first).not.toContain('dimension');
    expect(second!.match(/"dimension":1536/g)).toHaveLength(50);
    // They are in the cache by now; what counts is that nothing was asked one by one.
    expect(provider.calls.length).toBeLessThanOrEqual(1);
  });
});
