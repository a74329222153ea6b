import { describe, expect, test } from 'vitest';
import type { ModelSpec } from '../../../src/core/model.ts';
import { checkAnswer, traceOf, unexplained } from '../../../src/providers/dependable/foreign.ts';

const spec: ModelSpec = {
  name: 'm',
  provider: 'p',
  dimension: 2,
  maxBatchSize: 2,
  maxInputTokens: 5,
  costPer1kTokens: 0,
  supportsDimensions: false,
};
const good = { vector: Float32Array.from([1, 2]), tokens: 3 };

describe("a stranger's answer", () => {
  test.each<[string, unknown, RegExp]>([
    ['nothing', undefined, /gave no vectors for 1 texts/],
    ['too many', [good, good], /gave 2 vectors for 1 texts/],
    ['a hole', [undefined], /no Float32Array/],
    ['a list of numbers', [{ vector: [1, 2], tokens: 1 }], /no Float32Array/],
    [
      'another dimension',
      [{ ...good, vector: new Float32Array(3) }],
      /3 numbers where its "dimension" says 2/,
    ],
    ['infinity', [{ ...good, vector: Float32Array.from([1, Number.POSITIVE_INFINITY]) }], /not a number/],
  ])('%s is refused', (_name, answer, message) => {
    expect(() => checkAnswer(spec, ['text'], answer as never)).toThrow(message);
  });

  test('a token count that is none counts as none', () => {
    const answers = [Number.NaN, -1, 1.5, undefined, 5e9].map(
      (tokens) => ({ ...good, tokens }) as typeof good,
    );
    const texts = answers.map(() => 'text');
    expect(checkAnswer(spec, texts, answers).map(({ tokens }) => tokens)).toEqual([0, 0, 0, 0, 5e9]);
  });
});

test('an error that says nothing is no reason to try again, but a broken connection is', async () => {
  const broken = await fetch('http://127.0.0.1:1').catch((error: unknown) => error);
  expect(unexplained(broken, spec)).toMatchObject({ code: 'PROVIDER_ERROR', retryable: true });
  const bug = new RangeError('the text was: secret');
  expect(unexplained(bug, spec)).toMatchObject({ code: 'PROVIDER_ERROR', retryable: false });
  expect(unexplained(bug, spec).message).not.toContain('secret');
  expect(JSON.stringify(traceOf(bug))).toMatch(/^(?!.*secret).*"RangeError".*foreign\.test/);
});
