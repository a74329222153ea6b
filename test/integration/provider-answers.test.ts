import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { countTokens } from 'gpt-tokenizer/encoding/cl100k_base';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { vectorToBase64 } from '../../src/core/vectors.ts';
import { startEmbedQL, type TestServer } from '../support/embedql.ts';
import {
  type ProviderServer,
  type SeenCall,
  sendJson,
  startProvider,
  vectorOf,
} from '../support/provider-server.ts';
import { decode } from '../support/vectors.ts';

/** What servers that speak like OpenAI's answer, beside what OpenAI does. */

let provider: ProviderServer;
let server: TestServer;

beforeAll(async () => {
  provider = await startProvider();
  server = await startEmbedQL({ ...provider.env, EMBEDQL_PROVIDER_RETRIES: '0' });
});
afterEach(() => provider.forget());
afterAll(async () => {
  await server.stop();
  await provider.close();
});

let texts = 0;
const fresh = () => `answered text ${++texts}`;

interface Item {
  index?: number | null;
  embedding?: unknown;
}

const items = ({ input }: SeenCall): Array<Item & { index: number }> =>
  input.map((text, index) => ({ index, embedding: vectorToBase64(vectorOf(text)) }));

/** Answers with another body than OpenAI's. */
function answerWith(bodyOf: (call: SeenCall) => object): void {
  provider.misbehave = (call, response) => {
    sendJson(response, 200, bodyOf(call));
    return true;
  };
}

async function embed(asked: readonly string[]) {
  const { data } = await server.graphql(
    'mutation($texts: [String!]!) { embedBatch(texts: $texts) { embeddingsBase64 totalTokens failures { index code message } } }',
    { texts: asked },
  );
  const { embeddingsBase64, totalTokens, failures } = data.embedBatch as {
    embeddingsBase64: Array<string | null>;
    totalTokens: number;
    failures: Array<{ index: number; code: string; message: string }>;
  };
  return { vectors: embeddingsBase64.map((one) => one && decode(one)), totalTokens, failures };
}

const expected = (asked: readonly string[]) => asked.map((text) => Array.from(vectorOf(text)));
const numbers = (vectors: ReadonlyArray<unknown>) =>
  vectors.map((vector) => vector && Array.from(vector as Float32Array));

describe('is read', () => {
  test.each<[string, (call: SeenCall) => object]>([
    ['without an index', (call) => ({ data: items(call).map(({ embedding }) => ({ embedding })) })],
    [
      'with null for every index',
      (call) => ({ data: items(call).map(({ embedding }) => ({ index: null, embedding })) }),
    ],
    ['in another order', (call) => ({ data: items(call).reverse() })],
    [
      'with numbers where base64 was asked for',
      ({ input }) => ({
        data: input.map((text, index) => ({ index, embedding: Array.from(vectorOf(text)) })),
      }),
    ],
    ["under another model's name", (call) => ({ model: 'ggml-model-q4', object: null, data: items(call) })],
    ['with an empty error', (call) => ({ error: null, data: items(call) })],
  ])('%s', async (_name, bodyOf) => {
    answerWith(bodyOf);
    const asked = [fresh(), fresh(), fresh()];
    const { vectors, failures } = await embed(asked);
    expect(failures).toEqual([]);
    expect(numbers(vectors)).toEqual(expected(asked));
    expect(provider.calls).toHaveLength(1);
  });

  test.each<[string, unknown, number | undefined]>([
    ['no usage', undefined, undefined],
    ['null', null, undefined],
    ['an empty usage', {}, undefined],
    ['zero', { prompt_tokens: 0, total_tokens: 0 }, undefined],
    ['half of it', { prompt_tokens: 6 }, 6],
    ['half of it null', { prompt_tokens: 6, total_tokens: null }, 6],
    ['words', { total_tokens: 'many' }, undefined],
    ['a word', 'none', undefined],
  ])('with %s for a usage', async (_name, usage, tokens) => {
    answerWith((call) => ({ data: items(call), usage }));
    const asked = [fresh(), fresh()];
    const { totalTokens, failures } = await embed(asked);
    expect(failures).toEqual([]);
    expect(totalTokens).toBe(tokens ?? asked.reduce((sum, text) => sum + countTokens(text), 0));
  });

  test.each<[string, Record<string, string>, (json: string) => Buffer]>([
    ['gzip', { 'content-encoding': 'gzip' }, (json) => gzipSync(json)],
    ['deflate', { 'content-encoding': 'deflate' }, (json) => deflateSync(json)],
    ['br', { 'content-encoding': 'br' }, (json) => brotliCompressSync(json)],
    ['a byte order mark', {}, (json) => Buffer.from(`\uFEFF${json}`)],
    ['a type that is not JSON', { 'content-type': 'text/plain' }, (json) => Buffer.from(`\uFEFF${json}`)],
  ])('with %s', async (_name, headers, pack) => {
    provider.misbehave = (call, response) => {
      response.writeHead(200, { 'content-type': 'application/json', ...headers });
      response.end(pack(JSON.stringify({ data: items(call) })));
      return true;
    };
    const asked = [fresh(), fresh()];
    expect(numbers((await embed(asked)).vectors)).toEqual(expected(asked));
  });
});

describe('a text that a server could not compute fails alone', () => {
  const withoutBad = (replace: (item: Item) => Item | null) => (call: SeenCall) => ({
    data: items(call).map((item, i) => (call.input[i]!.includes('bad') ? replace(item) : item)),
  });

  test.each<[string, (call: SeenCall) => object]>([
    ['null for an item', withoutBad(() => null)],
    [
      'null for a vector',
      withoutBad(({ index }) => ({ ...(index === undefined ? {} : { index }), embedding: null })),
    ],
    [
      'null for a number',
      withoutBad((item) => ({ ...item, embedding: Array.from({ length: 1_536 }, () => null) })),
    ],
  ])('%s', async (_name, bodyOf) => {
    answerWith(bodyOf);
    const asked = [fresh(), `bad ${fresh()}`, fresh()];
    const { vectors, failures } = await embed(asked);
    expect(failures).toEqual([expect.objectContaining({ index: 1, code: 'PROVIDER_ERROR' })]);
    expect(numbers([vectors[0], vectors[2]])).toEqual(expected([asked[0]!, asked[2]!]));
  });

  test('an error that says 200', async () => {
    answerWith((call) =>
      call.input.some((text) => text.includes('bad'))
        ? { error: { message: `cannot compute ${call.input.join()}`, code: 500 } }
        : { data: items(call) },
    );
    const asked = [fresh(), `bad ${fresh()}`, fresh()];
    const { failures } = await embed(asked);
    expect(failures).toEqual([
      { index: 1, code: 'PROVIDER_ERROR', message: expect.stringContaining('an error with HTTP 200') },
    ]);
    expect(failures[0]!.message).not.toContain('cannot compute');
  });
});

describe('OPENAI_BASE_URL', () => {
  test.each([
    ['with blanks around it', (url: string) => `  ${url}\t`, '/v1/embeddings'],
    ['with slashes behind it', (url: string) => `${url}//`, '/v1/embeddings'],
    [
      'with a query',
      (url: string) => `${url}/?api-version=2024-10-21&x=a%20b`,
      '/v1/embeddings?api-version=2024-10-21&x=a%20b',
    ],
  ])('%s', async (_name, write, path) => {
    const seen: string[] = [];
    const upstream = createServer((request, response) => {
      seen.push(request.url!);
      request.resume();
      sendJson(response, 200, { data: [{ embedding: Array.from(vectorOf('x')) }] });
    });
    await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}/v1`;
    const other = await startEmbedQL({ OPENAI_API_KEY: ' sk-test ', OPENAI_BASE_URL: write(url) });
    expect((await other.graphql('mutation { embed(text: "x") { dimension } }')).errors).toBeUndefined();
    expect(seen).toEqual([path]);
    await other.stop();
    upstream.close();
    upstream.closeAllConnections();
  });
});
