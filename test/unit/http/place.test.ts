import { expect, test } from 'vitest';
import { placeOf } from '../../../src/http/place.ts';
import type { MountedRequest } from '../../../src/http/route.ts';

const at = (url: string, basePath = '', originalUrl?: string) =>
  placeOf({ url, ...(originalUrl !== undefined && { originalUrl }) } as MountedRequest, basePath);

test.each([
  ['/graphql?query=a?b', '/graphql'],
  ['http://embedql.example/graphql?query=a', '/graphql'],
  ['HTTPS://embedql.example:443/v1/models', '/v1/models'],
  ['http://embedql.example', '/'],
  ['http://embedql.example?query=a', '/'],
  ['*', '*'],
])('%s is the path %s', (target, path) => {
  expect(at(target)).toEqual({ path, prefix: '' });
});

test('a prefix is taken off once, by whoever mounts or by basePath', () => {
  const place = { path: '/graphql', prefix: '/ai' };
  expect(at('/ai/graphql', '/ai')).toEqual(place);
  expect(at('http://embedql.example/ai/graphql', '/ai')).toEqual(place);
  expect(at('/graphql', '', '/ai/graphql')).toEqual(place);
  expect(at('/graphql', '/ai', '/ai/graphql')).toEqual(place);
  expect(at('/graphql', '/ai')).toBeUndefined();
});
