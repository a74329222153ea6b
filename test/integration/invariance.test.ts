import { availableParallelism } from 'node:os';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { silentLog, silentProgress } from '../../src/core/surroundings.ts';
import { Encoder } from '../../src/providers/local/encoder.ts';
import { LocalModel } from '../../src/providers/local/local-model.ts';
import { findWeights } from '../../src/providers/local/weights/folder.ts';
import { miniLM } from '../support/mini-lm.ts';
import { cosine } from '../support/vectors.ts';

// Only the weights package: nothing that somebody may have put into a models folder.
const modelsDir = '/nowhere';
/** What a vector may change by with its neighbours, as 1 - cosine: far below what anybody could see, or rank by. */
const tolerance = 1e-6;

let encoder: Encoder;
let model: LocalModel;

beforeAll(async () => {
  const weights = (await findWeights(modelsDir, miniLM))!;
  encoder = await Encoder.load({
    ...weights,
    maxInputTokens: miniLM.maxInputTokens,
    pooling: 'mean',
    threads: 1,
    devices: [],
    oneByOne: false,
  });
  model = new LocalModel(miniLM, { env: {}, modelsDir, log: silentLog, progress: silentProgress }, []);
});
afterAll(async () => {
  await encoder.dispose();
  await model.close();
});

const word = fc.constantFrom(
  'river',
  'ledger',
  'quickly',
  'of',
  'seven',
  'bought',
  'Zürich',
  'tax',
  '猫',
  '🐈‍⬛',
  'x9',
);
/** From nothing to past the limit of 256 tokens; sentences more often than anything else. */
const text = fc.oneof(
  { weight: 4, arbitrary: fc.array(word, { minLength: 1, maxLength: 40 }).map((words) => words.join(' ')) },
  {
    weight: 1,
    arbitrary: fc.array(word, { minLength: 100, maxLength: 300 }).map((words) => words.join(' ')),
  },
  { weight: 2, arbitrary: fc.string({ unit: 'grapheme', maxLength: 60 }) },
  { weight: 1, arbitrary: fc.constantFrom('', ' ', '[MASK]', 'a'.repeat(300), '\u0000\ufffd') },
);
const batch = fc.array(text, { minLength: 2, maxLength: 24 });

test('a text has the same vector alone and in any batch', async () => {
  await fc.assert(
    fc.asyncProperty(batch, async (texts) => {
      const { vectors } = await encoder.encode(texts);
      for (const [i, one] of texts.entries()) {
        const together = vectors.subarray(i * miniLM.dimension, (i + 1) * miniLM.dimension);
        const alone = (await encoder.encode([one])).vectors;
        expect(1 - cosine(together, alone)).toBeLessThanOrEqual(tolerance);
      }
    }),
    { numRuns: 25 },
  );
}, 240_000);

test('a text has the same vector from every worker', async () => {
  await fc.assert(
    fc.asyncProperty(text, async (one) => {
      const { vectors: expected } = await encoder.encode([one]);
      // Calls at the same time are dealt out: more of them than there are workers reach each one.
      const calls = Array.from({ length: 4 * Math.min(4, availableParallelism()) }, () => model.embed([one]));
      for (const [embedded] of await Promise.all(calls)) {
        expect(1 - cosine(embedded!.vector, expected)).toBeLessThanOrEqual(tolerance);
      }
    }),
    { numRuns: 20 },
  );
}, 240_000);
