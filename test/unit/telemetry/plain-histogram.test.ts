import { expect, test } from 'vitest';
import { PlainHistogram } from '../../../src/telemetry/plain-histogram.ts';

test('a histogram counts what is at its bounds below them, and what is above the last', () => {
  const histogram = new PlainHistogram('a_seconds', 'Help.', [0.1, 1]);
  for (const value of [0, 0.1, 0.11, 1, 2, 3]) histogram.observe(value);
  expect(histogram.text()).toBe(
    [
      '# HELP a_seconds Help.',
      '# TYPE a_seconds histogram',
      'a_seconds_bucket{le="0.1"} 2',
      'a_seconds_bucket{le="1"} 4',
      'a_seconds_bucket{le="+Inf"} 6',
      `a_seconds_sum ${0 + 0.1 + 0.11 + 1 + 2 + 3}`,
      'a_seconds_count 6',
      '',
    ].join('\n'),
  );
});
