import path from 'node:path';
import { directory, dtype } from '@embedql/all-minilm-l6-v2';
import { AutoModel, AutoTokenizer, env, mean_pooling } from '@huggingface/transformers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startEmbedQL, type TestServer } from '../support/embedql.ts';
import { asFloat32, cosine, decode, dot } from '../support/vectors.ts';

let server: TestServer;

beforeAll(async () => {
  server = await startEmbedQL();
});
afterAll(() => server.stop());

test('a text has a vector of 384 numbers and unit length, and is cached the second time', async () => {
  const ask =
    'mutation { embed(text: "cat") { embedding embeddingBase64 dimension model cached cost tokens truncated } }';
  const { data } = await server.graphql(ask);
  expect(data.embed).toMatchObject({
    dimension: 384,
    model: 'all-MiniLM-L6-v2',
    cached: false,
    cost: 0,
    tokens: 3,
    truncated: false,
  });
  expect(data.embed.embedding).toHaveLength(384);
  expect(dot(data.embed.embedding, data.embed.embedding)).toBeCloseTo(1, 5);
  expect(Array.from(decode(data.embed.embeddingBase64))).toEqual(asFloat32(data.embed.embedding));
  const again = await server.graphql(ask);
  expect(again.data.embed).toEqual({ ...data.embed, cached: true, cost: 0 });
});

test('near in meaning is near in space', async () => {
  const { data } = await server.graphql(
    'mutation { a: embed(text: "cat") { ...V } b: embed(text: "feline") { ...V } c: embed(text: "stock market") { ...V } } fragment V on Embedding { embedding }',
  );
  const near = cosine(data.a.embedding, data.b.embedding);
  const far = cosine(data.a.embedding, data.c.embedding);
  expect(near - far).toBeGreaterThan(0.2);
});

test('batching and padding change nothing: the same vectors as transformers.js one at a time', async () => {
  const texts = [
    'a',
    'cat',
    'The quick brown fox jumps over the lazy dog.',
    'Où est la bibliothèque ?',
    '東京は日本の首都です。',
    'emoji 🐈‍⬛ and "quotes" and <tags>',
    'word '.repeat(20),
    'A sentence that is repeated some times. '.repeat(8),
    'A sentence that is repeated more often. '.repeat(24),
    'far over the limit of two hundred and fifty six tokens '.repeat(200),
    'Line one.\nLine two.\tTabbed.',
    'x'.repeat(400),
  ];
  const { data, errors } = await server.graphql(
    'mutation($texts: [String!]!) { embedBatch(texts: $texts, useCache: false) { embeddings totalEmbeddings failures { index } } }',
    { texts },
  );
  expect(errors).toBeUndefined();
  expect(data.embedBatch.totalEmbeddings).toBe(texts.length);
  env.allowRemoteModels = false;
  env.localModelPath = path.dirname(directory);
  const id = path.basename(directory);
  const tokenizer = await AutoTokenizer.from_pretrained(id);
  const model = await AutoModel.from_pretrained(id, { dtype });
  for (const [i, text] of texts.entries()) {
    const inputs = tokenizer(text, { truncation: true, max_length: 256 });
    const { last_hidden_state: states } = await model(inputs);
    const expected = mean_pooling(states, inputs.attention_mask).normalize(2, -1);
    expect(
      cosine(data.embedBatch.embeddings[i], expected.data as Float32Array),
      text.slice(0, 40),
    ).toBeGreaterThan(1 - 1e-6);
  }
});

test('a text over the limit is cut and says so, or is refused, also from the cache', async () => {
  const text = 'long '.repeat(300);
  const ask =
    'mutation($t: String!, $cut: Boolean) { embed(text: $t, truncate: $cut) { tokens truncated cached } }';
  const refused = await server.graphql(ask, { t: text, cut: false });
  expect(refused.data.embed).toBeNull();
  expect(refused.errors![0]!.extensions).toEqual({ code: 'TEXT_TOO_LONG', retryable: false });
  const cut = await server.graphql(ask, { t: text, cut: true });
  expect(cut.data.embed).toEqual({ tokens: 256, truncated: true, cached: false });
  const refusedAgain = await server.graphql(ask, { t: text, cut: false });
  expect(refusedAgain.errors![0]!.extensions['code']).toBe('TEXT_TOO_LONG');
  const exact = 'long '.repeat(254);
  expect((await server.graphql(ask, { t: exact, cut: false })).data.embed).toMatchObject({
    tokens: 256,
    truncated: false,
  });
});

test('a megabyte of text does not take a megabyte of time', async () => {
  const { data } = await server.graphql('mutation($t: String!) { embed(text: $t) { tokens truncated } }', {
    t: 'many words in a row '.repeat(50_000),
  });
  expect(data.embed).toEqual({ tokens: 256, truncated: true });
});

test('a model is loaded by its first text, and answers to the name of the hub', async () => {
  const other = await startEmbedQL();
  const state = '{ models { name loaded } health { modelsLoaded } metrics { modelsLoaded } }';
  const before = (await other.graphql(state)).data;
  expect(before.health.modelsLoaded).toEqual([]);
  const { data } = await other.graphql(
    'mutation { embed(text: "cat", model: "sentence-transformers/all-MiniLM-L6-v2") { model } }',
  );
  expect(data.embed.model).toBe('all-MiniLM-L6-v2');
  const after = (await other.graphql(state)).data;
  expect(after.metrics.modelsLoaded).toEqual(['all-MiniLM-L6-v2']);
  expect(after.models.find((model: { loaded: boolean }) => model.loaded).name).toBe('all-MiniLM-L6-v2');
  await other.stop();
});

test('a long text is read in pieces, each within 256 tokens with the two special ones', async () => {
  const text = Array.from({ length: 150 }, (_, i) => `Cat number ${i} purrs on the windowsill at noon.`).join(
    ' ',
  );
  const { data, errors } = await server.graphql(
    `mutation($text: String!) {
      chunks: embedChunks(text: $text) { text tokens embedding { tokens embedding } }
      small: embedChunks(text: "One cat. Two cats.", maxTokens: 6) { text tokens }
      average: embed(text: $text, longText: AVERAGE) { chunks tokens embedding }
    }`,
    { text },
  );
  expect(errors).toBeUndefined();
  const { chunks, small, average } = data;
  expect(chunks.map((chunk: { text: string }) => chunk.text).join('')).toBe(text);
  for (const { tokens, embedding } of chunks) {
    expect(tokens).toBeLessThanOrEqual(256);
    expect(embedding.tokens).toBe(tokens);
  }
  expect(small).toEqual([
    { text: 'One cat. ', tokens: 5 },
    { text: 'Two cats.', tokens: 5 },
  ]);
  expect(average.chunks).toBe(chunks.length);
  const mean = new Array<number>(384).fill(0);
  for (const { tokens, embedding } of chunks)
    for (const [i, value] of embedding.embedding.entries()) mean[i]! += tokens * value;
  expect(cosine(mean, average.embedding)).toBeCloseTo(1, 6);
  const tooSmall = await server.graphql('mutation { embedChunks(text: "cat", maxTokens: 2) { text } }');
  expect(tooSmall.errors).toMatchObject([
    { message: 'maxTokens must be 3 or more: 2 of them are what the model adds to every text.' },
  ]);
});

test('counts stop where they may, and say the same as the vectors', async () => {
  const { defaultModel: model } = server.app.services.catalogue;
  const texts = ['', 'cat', 'A cat purrs. '.repeat(300)];
  expect(await model.countTokens(texts)).toEqual([2, 3, 1_802]);
  const [few, some, many] = await model.countTokens(texts, 100);
  expect([few, some]).toEqual([2, 3]);
  expect(many).toBeGreaterThanOrEqual(100);
});
