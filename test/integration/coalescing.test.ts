import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startEmbedQL, type TestServer } from '../support/embedql.ts';
import { type ProviderServer, startProvider, vectorOf } from '../support/provider-server.ts';
import { decode } from '../support/vectors.ts';

let provider: ProviderServer;
let server: TestServer;

beforeAll(async () => {
  provider = await startProvider({ delayMs: 20 });
  server = await startEmbedQL(provider.env);
});
beforeEach(() => {
  provider.forget();
  provider.delayMs = 20;
});
afterAll(async () => {
  await server.stop();
  await provider.close();
});

let texts = 0;
/** A text that no test has used. */
const fresh = () => `text ${++texts}`;
const many = (n: number) => Array.from({ length: n }, fresh);
const literal = (text: string) => JSON.stringify(text);
const sizes = () => provider.calls.map(({ input }) => input.length).sort((a, b) => b - a);

describe('one operation makes one call', () => {
  test('100 aliases, each with its own vector', async () => {
    const asked = many(100);
    const fields = asked.map(
      (text, i) => `a${i}: embed(text: ${literal(text)}) { embeddingBase64 cost tokens }`,
    );
    const { data, errors } = await server.graphql(`mutation { ${fields.join(' ')} }`);
    expect(errors).toBeUndefined();
    expect(sizes()).toEqual([100]);
    expect(Object.keys(data)).toEqual(asked.map((_, i) => `a${i}`));
    for (const [i, text] of asked.entries()) {
      expect(decode(data[`a${i}`].embeddingBase64)).toEqual(vectorOf(text));
    }
  });

  test('through fragments, inline and nested, with directives, variables and defaults', async () => {
    const [a, b, c, d, e, f, g] = many(7) as [string, string, string, string, string, string, string];
    const response = await server.post({
      operationName: 'Some',
      variables: { b, yes: true },
      query: `mutation Some($b: String!, $yes: Boolean!, $no: Boolean = false, $f: String = ${literal(f)}) {
         a: embed(text: ${literal(a)}) { ...Facts }
         ...Outer
         ... on Mutation @include(if: $yes) { c: embedQuery(query: ${literal(c)}) { ...Facts } }
         ... @skip(if: $yes) { skipped: embed(text: "never sent") { ...Facts } }
         left: embed(text: "never sent either") @include(if: $no) { ...Facts }
         f: embed(text: $f) { ...Facts }
         a: embed(text: ${literal(a)}) { tokens }
         __typename
         g: embedBatch(texts: [${literal(g)}, ${literal(a)}]) { totalEmbeddings }
       }
       fragment Outer on Mutation { b: embed(text: $b) { ...Facts } ... on Mutation { ...Inner } }
       fragment Inner on Mutation { d: embed(text: ${literal(d)}) { ...Facts } e: embed(text: ${literal(e)}, dimensions: 8) { ...Facts } }
       fragment Facts on Embedding { dimension cached }
       query Other { health { status } }`,
    });
    const answer = (await response.json()) as { data: Record<string, unknown>; errors?: unknown };
    expect(answer.errors).toBeUndefined();
    expect(Object.keys(answer.data)).toEqual(['a', 'b', 'd', 'e', 'c', 'f', '__typename', 'g']);
    expect(answer.data['e']).toEqual({ dimension: 8, cached: false });
    expect(provider.calls).toHaveLength(1);
    // The query is a text of its own: its key is another, and `a` is asked for as a document once.
    expect(new Set(provider.calls[0]!.input)).toEqual(new Set([a, b, c, d, e, f, g]));
  });

  test('the same text a hundred times is one input, and the first carries the cost', async () => {
    const text = fresh();
    const fields = Array.from(
      { length: 100 },
      (_, i) => `a${i}: embed(text: ${literal(text)}) { cost cached tokens }`,
    );
    const { data } = await server.graphql(`mutation { ${fields.join(' ')} }`);
    expect(provider.calls.map(({ input }) => input)).toEqual([[text]]);
    const tokens = provider.billedTokens();
    expect(data.a0).toEqual({ cost: (tokens * 0.00002) / 1000, cached: false, tokens });
    for (let i = 1; i < 100; i++) expect(data[`a${i}`]).toEqual({ cost: 0, cached: false, tokens });
  });

  test('several models make one call each, and more texts than a call takes make as many as they need', async () => {
    const asked = many(250);
    const fields = asked.map((text, i) => `a${i}: embed(text: ${literal(text)}) { model }`);
    const others = many(3).map(
      (text, i) => `b${i}: embed(text: ${literal(text)}, model: "text-embedding-ada-002") { model }`,
    );
    await server.graphql(`mutation { ${[...fields, ...others].join(' ')} }`);
    expect(sizes()).toEqual([100, 100, 50, 3]);
  });

  test('batchSize limits the calls of its field and nobody else', async () => {
    const [single, ...batch] = many(21) as [string, ...string[]];
    const others = many(60);
    const { data } = await server.graphql(
      `mutation($batch: [String!]!, $others: [String!]!) {
         embed(text: ${literal(single)}) { model }
         small: embedBatch(texts: $batch, batchSize: 7) { totalEmbeddings }
         large: embedBatch(texts: $others) { totalEmbeddings }
       }`,
      { batch, others },
    );
    expect([data.small.totalEmbeddings, data.large.totalEmbeddings]).toEqual([20, 60]);
    for (const { input } of provider.calls) {
      if (input.some((text) => batch.includes(text))) expect(input.length).toBeLessThanOrEqual(7);
    }
    expect(sizes()).toEqual([61, 7, 7, 6]);
  });

  test('useCache: false reads and writes nothing, and still computes once', async () => {
    const text = fresh();
    const field = `embed(text: ${literal(text)}, useCache: false) { cached }`;
    for (let round = 1; round <= 2; round++) {
      const { data } = await server.graphql(`mutation { a: ${field} b: ${field} }`);
      expect(data).toEqual({ a: { cached: false }, b: { cached: false } });
      expect(provider.calls).toHaveLength(round);
    }
    const { data } = await server.graphql(`mutation { embed(text: ${literal(text)}) { cached } }`);
    expect(data.embed.cached).toBe(false);
  });
});

describe('what stands between runs', () => {
  test('resetMetrics between two embeds reads as serial execution would', async () => {
    await server.graphql('mutation { resetMetrics { status } }');
    const [a, b] = many(2) as [string, string];
    const figures = '{ previous { totalEmbeddingsGenerated providerCalls cacheMisses } }';
    const { data } = await server.graphql(
      `mutation { a: embed(text: ${literal(a)}) { model } first: resetMetrics ${figures} b: embed(text: ${literal(b)}) { model } again: embed(text: ${literal(a)}) { cached } second: resetMetrics ${figures} }`,
    );
    const one = { totalEmbeddingsGenerated: 1, providerCalls: 1, cacheMisses: 1 };
    expect(data.first.previous).toEqual(one);
    expect(data.second.previous).toEqual(one);
    expect(data.again.cached).toBe(true);
    expect(provider.calls.map(({ input }) => input)).toEqual([[a], [b]]);
  });

  test('nothing is computed for what does not run after an error that ends the operation', async () => {
    const guarded = await startEmbedQL({ ...provider.env, EMBEDQL_ADMIN_KEYS: 'admin' });
    const [a, b] = many(2) as [string, string];
    const { data, errors } = await guarded.graphql(
      `mutation { a: embed(text: ${literal(a)}) { model } resetMetrics { status } b: embed(text: ${literal(b)}) { model } }`,
    );
    expect(data).toBeNull();
    expect(errors![0]).toMatchObject({ path: ['resetMetrics'], extensions: { code: 'UNAUTHENTICATED' } });
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(provider.calls.map(({ input }) => input)).toEqual([[a]]);
    await guarded.stop();
  });
});

describe('many operations share calls', () => {
  test('64 requests sent together, one text each, make at most 4', async () => {
    for (let round = 0; round < 3; round++) {
      provider.forget();
      const answers = await Promise.all(
        many(64).map((text) =>
          server.graphql('mutation($text: String!) { embed(text: $text) { dimension } }', { text }),
        ),
      );
      for (const { data } of answers) expect(data.embed.dimension).toBe(1_536);
      expect(provider.calls.length).toBeLessThanOrEqual(4);
    }
  });

  test('the same text in many requests is computed once; one of them carries the cost', async () => {
    const text = fresh();
    provider.delayMs = 200;
    const answers = await Promise.all(
      Array.from({ length: 40 }, () =>
        server.graphql(`mutation { embed(text: ${literal(text)}) { cost cached } }`),
      ),
    );
    expect(provider.calls.map(({ input }) => input)).toEqual([[text]]);
    expect(answers.filter(({ data }) => data.embed.cost > 0)).toHaveLength(1);
    expect(answers.filter(({ data }) => data.embed.cached)).toHaveLength(0);
  });

  test('a single text does not wait for the whole of a huge batch before it', async () => {
    const narrow = await startEmbedQL({ ...provider.env, EMBEDQL_PROVIDER_CONCURRENCY: '1' });
    let done = false;
    const huge = narrow
      .graphql('mutation($texts: [String!]!) { embedBatch(texts: $texts) { totalEmbeddings } }', {
        texts: many(1_500),
      })
      .then((answer) => {
        done = true;
        return answer;
      });
    while (provider.calls.length < 2) await new Promise((resolve) => setTimeout(resolve, 1));
    const text = fresh();
    await narrow.graphql(`mutation { embed(text: ${literal(text)}) { model } }`);
    expect(done).toBe(false);
    const call = provider.calls.findIndex(({ input }) => input.includes(text));
    expect(call).toBeLessThan(6);
    expect((await huge).data.embedBatch.totalEmbeddings).toBe(1_500);
    expect(provider.calls).toHaveLength(16);
    await narrow.stop();
  });

  test('past the queue limit texts are refused at once, and the others are answered', async () => {
    const small = await startEmbedQL({
      ...provider.env,
      EMBEDQL_QUEUE_LIMIT: '10',
      EMBEDQL_PROVIDER_CONCURRENCY: '1',
    });
    const { data } = await small.graphql(
      'mutation($texts: [String!]!) { embedBatch(texts: $texts) { totalEmbeddings failures { index code retryable retryAfterMs } } }',
      { texts: many(15) },
    );
    expect(data.embedBatch.totalEmbeddings).toBe(10);
    expect(data.embedBatch.failures).toEqual(
      [10, 11, 12, 13, 14].map((index) => ({
        index,
        code: 'OVERLOADED',
        retryable: true,
        retryAfterMs: expect.any(Number),
      })),
    );
    await small.stop();
  });
});

describe('a client that goes away', () => {
  test('takes its texts out of the queue, unless another waits for them', async () => {
    const narrow = await startEmbedQL({ ...provider.env, EMBEDQL_PROVIDER_CONCURRENCY: '1' });
    provider.delayMs = 300;
    const [first, alone, shared] = many(3) as [string, string, string];
    const ask = (text: string, signal?: AbortSignal) =>
      narrow.graphql(
        `mutation { embed(text: ${literal(text)}) { dimension } }`,
        {},
        { signal: signal ?? null },
      );
    const running = ask(first);
    while (provider.calls.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    const leaving = new AbortController();
    const gone = Promise.allSettled([ask(alone, leaving.signal), ask(shared, leaving.signal)]);
    const staying = ask(shared);
    await new Promise((resolve) => setTimeout(resolve, 100));
    leaving.abort();
    expect((await gone).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect((await running).data.embed.dimension).toBe(1_536);
    expect((await staying).data.embed.dimension).toBe(1_536);
    expect(provider.calls.map(({ input }) => input)).toEqual([[first], [shared]]);
    await narrow.stop();
  });
});

describe('a text that the provider refuses', () => {
  test('fails alone, wherever it stands, in a logarithmic number of calls', async () => {
    for (const place of [0, 37, 99]) {
      provider.forget();
      const asked = many(100);
      asked[place] = `${provider.poison} ${asked[place]}`;
      const fields = asked.map((text, i) => `a${i}: embed(text: ${literal(text)}) { embeddingBase64 }`);
      const { data, errors } = await server.graphql(`mutation { ${fields.join(' ')} }`);
      expect(errors).toHaveLength(1);
      expect(errors![0]).toMatchObject({
        path: [`a${place}`],
        extensions: { code: 'PROVIDER_ERROR', retryable: false },
      });
      expect(JSON.stringify(errors)).not.toContain(provider.poison);
      for (const [i, text] of asked.entries()) {
        if (i === place) expect(data[`a${i}`]).toBeNull();
        else expect(decode(data[`a${i}`].embeddingBase64)).toEqual(vectorOf(text));
      }
      expect(provider.calls.length).toBeLessThanOrEqual(1 + 2 * Math.ceil(Math.log2(100)));
    }
  });

  test('fails alone in a batch too, and three of them fail alone', async () => {
    const asked = many(50);
    for (const place of [3, 20, 21]) asked[place] += provider.poison;
    const { data } = await server.graphql(
      'mutation($texts: [String!]!) { embedBatch(texts: $texts) { embeddingsBase64 failures { index code } } }',
      { texts: asked },
    );
    expect(data.embedBatch.failures).toEqual([3, 20, 21].map((index) => ({ index, code: 'PROVIDER_ERROR' })));
    expect(data.embedBatch.embeddingsBase64.filter(Boolean)).toHaveLength(47);
  });
});
