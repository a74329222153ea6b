import { expect, test } from 'vitest';
import { readSentinelUrl } from '../../../src/cache/redis/connect.ts';

test('the address of Sentinels', () => {
  expect(readSentinelUrl('redis-sentinel://u:p%40ss@a:1,b/mymaster/2?sentinelPassword=x%3Fy')).toEqual({
    sentinels: [
      { host: 'a', port: 1 },
      { host: 'b', port: 26_379 },
    ],
    name: 'mymaster',
    username: 'u',
    password: 'p@ss',
    db: 2,
    sentinelPassword: 'x?y',
  });
  expect(readSentinelUrl('redis-sentinel://a/m')).toEqual({
    sentinels: [{ host: 'a', port: 26_379 }],
    name: 'm',
  });
});

test.each([
  'redis-sentinel://a',
  'redis-sentinel:///m',
  'redis-sentinel://a/',
  'redis-sentinel://a/m/x',
  'redis-sentinel://a/m/1/2',
  'redis://a/m',
])('%s is none', (url) => {
  expect(() => readSentinelUrl(url)).toThrow('not a redis-sentinel:// address');
});
