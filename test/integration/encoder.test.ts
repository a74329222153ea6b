import { afterAll, beforeAll, expect, test } from 'vitest';
import { readConfig } from '../../src/config/config.ts';
import { Encoder, type EncoderOptions } from '../../src/providers/local/encoder.ts';
import { findWeights } from '../../src/providers/local/weights/folder.ts';
import { miniLM as spec } from '../support/mini-lm.ts';
import { cosine, dot } from '../support/vectors.ts';

let encoder: Encoder;
let options: EncoderOptions;

beforeAll(async () => {
  const weights = (await findWeights(readConfig(process.env).modelsDir, spec))!;
  options = { ...weights, maxInputTokens: 16, pooling: 'mean', threads: 1, oneByOne: false, devices: [] };
  encoder = await Encoder.load(options);
});
afterAll(() => encoder.dispose());

test('a batch of any lengths has the vectors that its texts have alone, in their order', async () => {
  const texts = [
    'a',
    'many words that go on and on and on and on and on and on and on',
    'two words',
    '',
    'a',
  ];
  const { vectors, tokens } = await encoder.encode(texts);
  expect(tokens).toEqual([3, 16, 4, 2, 3]);
  for (const [i, text] of texts.entries()) {
    const own = vectors.subarray(i * 384, (i + 1) * 384);
    expect(dot(own, own)).toBeCloseTo(1, 4);
    expect(cosine(own, (await encoder.encode([text])).vectors)).toBeGreaterThan(0.999);
  }
});

test('knows which texts it cannot read whole, and reads no more of them than it needs', async () => {
  expect(encoder.fit('short')).toEqual({ text: 'short', truncated: false });
  const long = 'word '.repeat(10_000);
  const { text, truncated } = encoder.fit(long);
  expect(truncated).toBe(true);
  expect(text.length).toBeLessThan(500);
  expect(
    cosine((await encoder.encode([text])).vectors, (await encoder.encode([long])).vectors),
  ).toBeGreaterThan(0.9999);
  // Over the limit, but not by enough to be cut beforehand.
  const barely = 'word '.repeat(20).trim();
  expect(encoder.fit(barely)).toEqual({ text: barely, truncated: true });
});

test('pooling by the first token gives other vectors', async () => {
  const first = await Encoder.load({ ...options, pooling: 'cls' });
  const { vectors } = await first.encode(['cat']);
  expect(vectors).toHaveLength(384);
  expect(dot(vectors, vectors)).toBeCloseTo(1, 4);
  expect(vectors).not.toEqual((await encoder.encode(['cat'])).vectors);
  await first.dispose();
});
