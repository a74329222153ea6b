import { describe, expect, test } from 'vitest';
import { readConfig } from '../../src/config/config.ts';

const read = (REDIS_URL: string) => readConfig({ REDIS_URL }).redisUrls;

describe('REDIS_URL', () => {
  test.each([
    ['one server', 'redis://127.0.0.1:6379', 1],
    ['without a port', 'rediss://cache.example', 1],
    ['IPv6', 'redis://[::1]:6379/3', 1],
    ['a user, an encoded password and a database', 'redis://me:p%40ss%2Fw%25rd@h:1/15', 1],
    ['a colon in the password', 'redis://:a:b@h', 1],
    ['nodes of a cluster', 'redis://a:1, redis://b:2 ,rediss://c', 3],
    ['Sentinel', 'redis-sentinel://a:1,b:2,[::1]:3/mymaster', 1],
    ['Sentinel with everything', 'redis-sentinel://me:p%2Cw@a:1,b/mymaster/2?sentinelPassword=x%40y', 1],
    ['Sentinel with a raw @ in its password', 'redis-sentinel://a/mymaster?sentinelPassword=x@y', 1],
  ])('takes %s', (_name, url, count) => {
    expect(read(url)).toHaveLength(count);
  });

  const encode = /percent-encoded; write .* %25 %2C/;
  test.each([
    ['another scheme', 'http://hunter2@h', /begins with redis:\/\/, rediss:\/\/ or redis-sentinel:\/\//],
    ['no scheme', 'hunter2:6379', /begins with redis:/],
    ['a scheme for several hosts', 'redis://a:1,hunter2:2', /address 2 of 2 does not begin with redis:/],
    ['a trailing comma', 'redis://hunter2:1,redis://b:2,', /address 3 of 3 is empty/],
    ['a raw % in the password', 'redis://:hunter2%@127.0.0.1:6379', encode],
    ['half an encoding', 'redis://:hunter2%C3@127.0.0.1:6379', encode],
    ['a raw / in the password', 'redis://:hunter2/b@h', encode],
    ['a raw # in the password', 'redis://:hunter2#b@h', encode],
    ['a raw @ in the password', 'redis://:p@hunter2#w%rd@h', encode],
    ['a raw comma in the password', 'redis://:hunter2,b@h', /address 1 of 2 .* %2C/],
    ['the second of two', 'redis://a,redis://:hunter2%@b', /the password of address 2 of 2/],
    ['no host', 'redis://:hunter2@', /no host/],
    ['a wrong port', 'redis://hunter2:99999', /port of the address/],
    ['a port that is a word', 'redis://h:hunter2', /port/],
    ['a database that is no number', 'redis://h:1/hunter2', /database of the address is not a number/],
    ['a database of a cluster', 'redis://hunter2:1,redis://b:2/3', /address 2 of 2 names database 3/],
    ['Sentinel without a master', 'redis-sentinel://hunter2:26379', /name of the master/],
    ['Sentinel with an empty host', 'redis-sentinel://hunter2:1,,b/mymaster', /Sentinel 2 of 3/],
    ['Sentinel with a wrong database', 'redis-sentinel://a/mymaster/hunter2', /database/],
    ['Sentinel with a raw @ in the password', 'redis-sentinel://:hunter2@x@a/mymaster', encode],
    ['Sentinel with another option', 'redis-sentinel://a/mymaster?password=hunter2', /sentinelPassword/],
    [
      'Sentinel with a raw % in its password',
      'redis-sentinel://a/m?sentinelPassword=hunter2%',
      /sentinelPassword.*%25/,
    ],
    ['Sentinel among others', 'redis://hunter2,redis-sentinel://a/m', /address 2 of 2/],
  ])('%s is told in one line that does not repeat it', (_name, url, message) => {
    const attempt = () => read(url);
    expect(attempt).toThrow(message);
    expect(attempt).toThrow(/^REDIS_URL: [^\n]+; for example REDIS_URL=redis:\/\/127\.0\.0\.1:6379$/);
    expect(attempt).not.toThrow(/hunter2/);
  });
});
