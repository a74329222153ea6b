import { expect, test } from 'vitest';
import { encodingFor } from '../../../src/http/packing.ts';

test.each([
  [undefined, undefined],
  ['', undefined],
  ['identity', undefined],
  ['gzip, deflate', 'gzip'],
  ['gzip, deflate, br', 'br'],
  ['br, gzip', 'br'],
  ['br;q=0, gzip;q=0.5', 'gzip'],
  ['br;q=0.1, GZIP', 'gzip'],
  ['gzip;q=0', undefined],
  ['gzip;q=x', undefined],
])('accept-encoding %s: %s', (accepted, encoding) => {
  expect(encodingFor(accepted)).toBe(encoding);
});
