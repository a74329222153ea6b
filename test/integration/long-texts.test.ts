import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { cosineSimilarity } from '../../src/core/vectors.ts';
import { startEmbedQL, type TestServer } from '../support/embedql.ts';
import { type ProviderServer, startProvider, vectorOf } from '../support/provider-server.ts';

let provider: ProviderServer;
let server: TestServer;

beforeAll(async () => {
  provider = await startProvider();
  server = await startEmbedQL({ ...provider.env });
});
afterEach(() => provider.forget());
afterAll(async () => {
  await server.stop();
  await provider.close();
});

interface Chunk {
  text: string;
  start: number;
  end: number;
  tokens: number;
  embedding: { embeddingBase64: string; cached: boolean; cost: number; tokens: number; chunks: number };
}

const fields = 'text start end tokens embedding { embeddingBase64 cached cost tokens chunks }';
const embedChunks = `mutation($text: String!, $maxTokens: Int, $overlapTokens: Int) {
  embedChunks(text: $text, maxTokens: $maxTokens, overlapTokens: $overlapTokens) { ${fields} }
}`;
const embedAverage = `mutation($text: String!) {
  embed(text: $text, longText: AVERAGE) { embeddingBase64 chunks cached cost tokens truncated }
}`;

const vector = (base64: string) => new Float32Array(new Uint8Array(Buffer.from(base64, 'base64')).buffer);

/** A text that nobody has asked for yet: sentences with numbers in them. */
let texts = 0;
function document(sentences: number): string {
  texts += 1;
  return Array.from(
    { length: sentences },
    (_, i) => `Sentence ${i} of text ${texts} tells of the cat number ${(i * 7_919) % 1_000} that purrs.`,
  ).join(' ');
}

const textsSent = () => provider.calls.reduce((sum, { input }) => sum + input.length, 0);

/** Over the 8,191 tokens of the model. */
const tooLong = () => document(1_000);

describe('embedChunks', () => {
  test('gives slices of the text, each with the vector that it has by itself', async () => {
    const text = document(60);
    const { data, errors } = await server.graphql(embedChunks, { text, maxTokens: 100 });
    expect(errors).toBeUndefined();
    const chunks = data.embedChunks as Chunk[];
    expect(chunks.length).toBeGreaterThan(5);
    expect(chunks.map((chunk) => chunk.text).join('')).toBe(text);
    for (const { text: slice, start, end, tokens, embedding } of chunks) {
      expect(slice).toBe(text.slice(start, end));
      expect(tokens).toBeLessThanOrEqual(100);
      expect(embedding).toMatchObject({ tokens, cached: false, chunks: 1 });
      expect(cosineSimilarity(vector(embedding.embeddingBase64), vectorOf(slice))).toBeCloseTo(1, 6);
    }
    expect(provider.calls).toHaveLength(1);
    const slice = chunks[2]!.text;
    const alone = await server.graphql('mutation($t: String!) { embed(text: $t) { cached tokens } }', {
      t: slice,
    });
    expect(alone.data.embed).toEqual({ cached: true, tokens: chunks[2]!.tokens });
  });

  test('an overlap repeats the end of the piece before', async () => {
    const text = document(40);
    const { data } = await server.graphql(embedChunks, { text, maxTokens: 100, overlapTokens: 30 });
    const chunks = data.embedChunks as Chunk[];
    for (const [i, { start, tokens }] of chunks.entries()) {
      expect(tokens).toBeLessThanOrEqual(100);
      if (i > 0) expect(start).toBeLessThan(chunks[i - 1]!.end);
    }
    expect(
      chunks.map(({ start, end }, i) => text.slice(Math.max(start, chunks[i - 1]?.end ?? 0), end)).join(''),
    ).toBe(text);
  });

  test('a short text is one piece; halves of characters are replaced before it is cut', async () => {
    const { data } = await server.graphql(embedChunks, { text: 'A cat\ud800 purrs.' });
    expect(data.embedChunks).toMatchObject([{ text: 'A cat\ufffd purrs.', start: 0, end: 13 }]);
  });

  test('pieces of many fields, and other texts, travel in the same calls', async () => {
    const [a, b, c] = [document(50), document(50), tooLong()];
    const { data, errors } = await server.graphql(
      `mutation($a: String!, $b: String!, $c: String!) {
        a: embedChunks(text: $a, maxTokens: 80) { start }
        b: embedChunks(text: $b, maxTokens: 80) { start }
        c: embed(text: $c, longText: AVERAGE) { chunks }
        d: embed(text: "something short ${texts}") { chunks }
        e: embedBatch(texts: ["something else ${texts}"], longText: AVERAGE) { chunks }
      }`,
      { a, b, c },
    );
    expect(errors).toBeUndefined();
    const sent = data.a.length + data.b.length + data.c.chunks + data.d.chunks + data.e.chunks[0];
    expect(data.c.chunks).toBeGreaterThan(1);
    expect(textsSent()).toBe(sent);
    expect(provider.calls).toHaveLength(Math.ceil(sent / 100));
  });

  test('the same field twice is computed and paid once', async () => {
    const text = document(30);
    const { data } = await server.graphql(
      `mutation($text: String!) {
        a: embedChunks(text: $text, maxTokens: 80) { embedding { cost } }
        b: embedChunks(text: $text, maxTokens: 80) { embedding { cost } }
      }`,
      { text },
    );
    expect(textsSent()).toBe(data.a.length);
    for (const { embedding } of data.a) expect(embedding.cost).toBeGreaterThan(0);
    for (const { embedding } of data.b) expect(embedding.cost).toBe(0);
  });

  test('an edited document costs its changed pieces alone', async () => {
    const sentences = document(300).split(/(?<=\.) /);
    const ask = async (text: string) => {
      const { data } = await server.graphql(embedChunks, { text, maxTokens: 120 });
      return data.embedChunks as Chunk[];
    };
    const before = await ask(sentences.join(' '));
    provider.forget();
    const after = await ask(sentences.toSpliced(20, 1, 'This one is new.', 'And so is this.').join(' '));
    const paid = after.filter(({ embedding }) => !embedding.cached);
    expect(before.length).toBeGreaterThan(30);
    expect(textsSent()).toBe(paid.length);
    expect(paid.length).toBeLessThanOrEqual(6);
    expect(paid.every(({ embedding }) => embedding.cost > 0)).toBe(true);
    expect(
      after.filter(({ embedding }) => embedding.cached).every(({ embedding }) => embedding.cost === 0),
    ).toBe(true);
  });

  test.each([
    ['maxTokens: 0', 'maxTokens must be from 1 to 8191 for text-embedding-3-small.'],
    ['maxTokens: 8192', 'maxTokens must be from 1 to 8191 for text-embedding-3-small.'],
    ['maxTokens: 10, overlapTokens: 10', 'overlapTokens must be from 0 to 9, less than maxTokens.'],
    ['overlapTokens: -1', 'overlapTokens must be from 0 to 8190, less than maxTokens.'],
    ['dimensions: 0', 'dimensions must be from 1 to 1536 for text-embedding-3-small.'],
  ])('%s is refused by its name', async (args, message) => {
    const { data, errors } = await server.graphql(
      `mutation { embedChunks(text: "A cat.", ${args}) { text } }`,
    );
    expect(data.embedChunks).toBeNull();
    expect(errors).toMatchObject([{ message, extensions: { code: 'BAD_USER_INPUT' } }]);
    expect(provider.calls).toHaveLength(0);
  });

  test('so is an empty text', async () => {
    const { errors } = await server.graphql('mutation { embedChunks(text: " \\n ") { text } }');
    expect(errors).toMatchObject([{ message: 'text is empty; pass a text to embed.' }]);
  });

  test('15 MB are refused by their length, before they are split', async () => {
    const { errors } = await server.graphql(embedChunks, {
      text: 'A cat purrs. '.repeat(1_150_000),
      maxTokens: 256,
    });
    expect(errors).toMatchObject([{ extensions: { code: 'COST_LIMIT_EXCEEDED' } }]);
    expect(errors![0]!.message).toMatch(/asks for 3650 texts; 2048 are allowed/);
    expect(provider.calls).toHaveLength(0);
  });

  test('a piece that is refused fails the field', async () => {
    const text = `${document(20)} ${provider.poison} ${document(20)}`;
    const { data, errors } = await server.graphql(embedChunks, { text, maxTokens: 100 });
    expect(data.embedChunks).toBeNull();
    expect(errors).toMatchObject([{ path: ['embedChunks'], extensions: { code: 'PROVIDER_ERROR' } }]);
  });
});

describe('longText', () => {
  test('AVERAGE is the mean of the pieces, weighted by tokens and scaled to unit length', async () => {
    const text = tooLong();
    const { data } = await server.graphql(embedAverage, { text });
    const { data: chunked } = await server.graphql(embedChunks, { text });
    const chunks = chunked.embedChunks as Chunk[];
    expect(chunks.every(({ embedding }) => embedding.cached)).toBe(true);
    const mean = new Float64Array(1_536);
    for (const { tokens, embedding } of chunks)
      for (const [i, value] of vector(embedding.embeddingBase64).entries()) mean[i]! += tokens * value;
    const norm = Math.hypot(...mean);
    const given = vector(data.embed.embeddingBase64);
    for (const [i, value] of given.entries()) expect(value).toBeCloseTo(mean[i]! / norm, 6);
    const tokens = chunks.reduce((sum, chunk) => sum + chunk.embedding.tokens, 0);
    expect(data.embed).toMatchObject({ chunks: chunks.length, cached: false, tokens, truncated: false });
    expect(data.embed.cost).toBeCloseTo((tokens / 1_000) * 0.00002, 12);
    expect(provider.billedTokens()).toBe(tokens);

    const again = await server.graphql(embedAverage, { text });
    expect(again.data.embed).toEqual({ ...data.embed, cached: true, cost: 0 });
  });

  test('it is cached only if all pieces are', async () => {
    const text = tooLong();
    await server.graphql(embedAverage, { text });
    const { data } = await server.graphql(embedAverage, { text: `${text} One more sentence at the end.` });
    expect(data.embed.cached).toBe(false);
    expect(data.embed.cost).toBeGreaterThan(0);
    expect(textsSent()).toBe(data.embed.chunks + 1);
  });

  test('a text within the limit is one text, under the key that it always has', async () => {
    const text = document(20);
    await server.graphql('mutation($text: String!) { embed(text: $text) { cached } }', { text });
    const { data } = await server.graphql(embedAverage, { text });
    expect(data.embed).toMatchObject({ chunks: 1, cached: true });
  });

  test('TRUNCATE and REFUSE override truncate; without it that holds', async () => {
    const { data, errors } = await server.graphql(
      `mutation($text: String!) {
        a: embed(text: $text, longText: TRUNCATE, truncate: false) { truncated chunks }
        b: embedQuery(query: $text, longText: REFUSE) { truncated }
        c: embed(text: $text, longText: null, truncate: false) { truncated }
        d: embed(text: $text) { truncated }
      }`,
      { text: tooLong() },
    );
    expect(data).toEqual({ a: { truncated: true, chunks: 1 }, b: null, c: null, d: { truncated: true } });
    expect(errors?.map(({ extensions }) => extensions['code'])).toEqual(['TEXT_TOO_LONG', 'TEXT_TOO_LONG']);
  });

  test('in a list each text for itself, within batchSize; one that fails leaves the others alone', async () => {
    const list = ['short', '', tooLong(), `${tooLong()} ${provider.poison}`];
    const { data, errors } = await server.graphql(
      `mutation($texts: [String!]!) {
        embedBatch(texts: $texts, longText: AVERAGE, batchSize: 2) {
          embeddingsInt8 chunks truncated failures { index code }
        }
      }`,
      { texts: list },
    );
    expect(errors).toBeUndefined();
    const { chunks, embeddingsInt8, truncated, failures } = data.embedBatch;
    expect(chunks).toEqual([1, null, expect.any(Number), null]);
    expect(chunks[2]).toBeGreaterThan(1);
    expect(embeddingsInt8.map(Boolean)).toEqual([true, false, true, false]);
    expect(truncated).toEqual([false, null, false, null]);
    expect(failures).toEqual([
      { index: 1, code: 'BAD_USER_INPUT' },
      { index: 3, code: 'PROVIDER_ERROR' },
    ]);
    for (const { input } of provider.calls) expect(input.length).toBeLessThanOrEqual(2);
  });

  test('in a stream, too', async () => {
    const query = `subscription($texts: [String!]!) {
      embedStream(texts: $texts, longText: AVERAGE) { embeddings { index embedding { chunks } } done }
    }`;
    const answer = await server.post(
      { query, variables: { texts: ['a short one', tooLong()] } },
      { headers: { accept: 'text/event-stream' } },
    );
    const events = [...(await answer.text()).matchAll(/^data: (\{.*)$/gm)].map(([, data]) =>
      JSON.parse(data!),
    );
    const chunks = events.flatMap(({ data }) => data.embedStream.embeddings);
    expect(chunks.find(({ index }) => index === 0).embedding.chunks).toBe(1);
    expect(chunks.find(({ index }) => index === 1).embedding.chunks).toBeGreaterThan(1);
  });

  test('/v1 takes long_text', async () => {
    const text = tooLong();
    const ask = (long_text: string) =>
      fetch(`${server.url}/v1/embeddings`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ input: text, encoding_format: 'base64', long_text }),
      });
    const { data } = (await (await ask('average')).json()) as { data: Array<{ embedding: string }> };
    const { data: average } = await server.graphql(embedAverage, { text });
    expect(data[0]!.embedding).toBe(average.embed.embeddingBase64);
    expect((await ask('refuse')).status).toBe(400);
    expect(await (await ask('mean')).json()).toMatchObject({ error: { param: 'long_text' } });
  });
});

describe('pieces are texts for every limit', () => {
  const start = (env: Record<string, string>) => startEmbedQL({ ...provider.env, ...env });

  test('of the operation: more are refused before any is sent, and other fields are answered', async () => {
    const small = await start({ EMBEDQL_MAX_TEXTS: '10' });
    try {
      const { data, errors } = await small.graphql(
        `mutation($text: String!, $short: String!) {
          a: embed(text: $short) { chunks }
          b: embedChunks(text: $text, maxTokens: 50) { start }
          c: embedChunks(text: $short, maxTokens: 50) { start }
          d: embed(text: "after ${texts}") { chunks }
        }`,
        { text: document(60), short: `short ${document(1)}` },
      );
      expect(errors).toMatchObject([
        { path: ['b'], extensions: { code: 'COST_LIMIT_EXCEEDED' } },
        { path: ['c'], extensions: { code: 'COST_LIMIT_EXCEEDED' } },
      ]);
      expect(errors![0]!.message).toMatch(/texts; 10 are allowed/);
      expect(data).toMatchObject({ a: { chunks: 1 }, b: null, c: null, d: { chunks: 1 } });
      expect(textsSent()).toBe(2);
      // As many as are allowed are.
      const fits = await small.graphql(embedChunks, { text: document(20), maxTokens: 80 });
      expect(fits.errors).toBeUndefined();
      expect(fits.data.embedChunks.length).toBeLessThanOrEqual(10);
    } finally {
      await small.stop();
    }
  });

  test('of several operations in one request', async () => {
    const small = await start({ EMBEDQL_MAX_TEXTS: '10' });
    try {
      const one = (text: string) => ({ query: embedChunks, variables: { text, maxTokens: 80 } });
      const answer = await small.post([one(document(15)), one(document(15)), one(document(15))]);
      const answers = (await answer.json()) as Array<{ errors?: unknown[] }>;
      expect(answers.some(({ errors }) => errors)).toBe(true);
      expect(textsSent()).toBeLessThanOrEqual(10);
    } finally {
      await small.stop();
    }
  });

  test('of a key and its minute', async () => {
    const limited = await start({
      EMBEDQL_API_KEYS: 'web:the-key-of-the-web',
      EMBEDQL_KEY_LIMITS: 'web:20/min',
    });
    try {
      const ask = (text: string, maxTokens: number) =>
        limited.graphql(
          embedChunks,
          { text, maxTokens },
          { headers: { authorization: 'Bearer the-key-of-the-web' } },
        );
      const first = await ask(document(30), 80);
      expect(first.errors).toBeUndefined();
      const sent = textsSent();
      expect(sent).toBeGreaterThan(5);
      const second = await ask(document(60), 80);
      expect(second.errors).toMatchObject([{ extensions: { code: 'RATE_LIMITED' } }]);
      expect(textsSent()).toBe(sent);
    } finally {
      await limited.stop();
    }
  });

  test('of the tokens of an operation', async () => {
    const small = await start({ EMBEDQL_MAX_TOKENS: '9000' });
    try {
      const { errors } = await small.graphql(embedAverage, { text: tooLong() });
      expect(errors).toMatchObject([{ extensions: { code: 'COST_LIMIT_EXCEEDED' } }]);
      expect(provider.calls).toHaveLength(0);
    } finally {
      await small.stop();
    }
  });

  test('of the answer, which is refused before anything is split', async () => {
    const small = await start({ EMBEDQL_MAX_ANSWER_BYTES: '1000000' });
    try {
      const variables = { text: document(3_000), maxTokens: 100 };
      const ask = (selection: string) => small.graphql(embedChunks.replace(fields, selection), variables);
      for (const selection of [
        'embedding { embedding }',
        'text start end tokens embedding { embeddingBase64 }',
      ])
        expect((await ask(selection)).errors).toMatchObject([
          { extensions: { code: 'COST_LIMIT_EXCEEDED' } },
        ]);
      expect(provider.calls).toHaveLength(0);
      expect((await ask('start')).errors).toBeUndefined();
    } finally {
      await small.stop();
    }
  });
});
