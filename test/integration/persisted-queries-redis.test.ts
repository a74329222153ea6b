import { createHash } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type GraphQLAnswer, startEmbedQL, type TestServer } from '../support/embedql.ts';
import { type ProviderServer, startProvider } from '../support/provider-server.ts';
import { hasRedisServer, type RedisServer, startRedis } from '../support/redis-server.ts';

const query = 'query Shared { defaultModel { name } }';
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const extensionsFor = (document: string) => ({
  persistedQuery: { version: 1, sha256Hash: sha256(document) },
});
const keyOf = (document: string) => `{embedql}:apq:${sha256(document)}`;

describe.skipIf(!hasRedisServer)('persisted queries of replicas', () => {
  let provider: ProviderServer;
  let redis: RedisServer;
  let one: TestServer;
  let other: TestServer;

  beforeAll(async () => {
    provider = await startProvider();
  });
  afterAll(() => provider.close());
  beforeEach(async () => {
    redis = await startRedis();
    const env = { ...provider.env, REDIS_URL: redis.url };
    [one, other] = [await startEmbedQL(env), await startEmbedQL(env)];
  });
  afterEach(async () => {
    await Promise.all([one.stop(), other.stop()]);
    await redis.stop();
  });

  const ask = async (server: TestServer, body: object) =>
    (await (await server.post(body)).json()) as GraphQLAnswer;
  const codeOf = ({ errors }: GraphQLAnswer) => errors?.[0]?.extensions['code'];

  test('one knows what was sent to the other, for a while', async () => {
    await ask(one, { query, extensions: extensionsFor(query) });
    expect((await ask(other, { extensions: extensionsFor(query) })).data.defaultModel.name).toBe(
      'text-embedding-3-small',
    );
    expect(await redis.client.ttl(keyOf(query))).toBeGreaterThan(80_000);
  });

  test('a document with a text in it stays in the process', async () => {
    const secret = 'mutation { embed(text: "a secret") { cost } }';
    await ask(one, { query: secret, extensions: extensionsFor(secret) });
    await ask(one, { query, extensions: extensionsFor(query) });
    expect((await ask(one, { extensions: extensionsFor(secret) })).errors).toBeUndefined();
    expect(codeOf(await ask(other, { extensions: extensionsFor(secret) }))).toBe('PERSISTED_QUERY_NOT_FOUND');
    expect(await redis.client.keys('{embedql}:apq:*')).toEqual([keyOf(query)]);
  });

  test('a value that is wrong, or of another type, is none', async () => {
    await redis.client.set(keyOf(query), '{ models { name } }');
    expect(codeOf(await ask(one, { extensions: extensionsFor(query) }))).toBe('PERSISTED_QUERY_NOT_FOUND');
    await redis.client.del(keyOf(query));
    await redis.client.lpush(keyOf(query), 'x');
    expect(codeOf(await ask(one, { extensions: extensionsFor(query) }))).toBe('PERSISTED_QUERY_NOT_FOUND');
    expect((await ask(one, { query, extensions: extensionsFor(query) })).errors).toBeUndefined();
  });

  test('without Redis each knows its own', async () => {
    await redis.stop();
    expect(codeOf(await ask(one, { extensions: extensionsFor(query) }))).toBe('PERSISTED_QUERY_NOT_FOUND');
    await ask(one, { query, extensions: extensionsFor(query) });
    expect((await ask(one, { extensions: extensionsFor(query) })).errors).toBeUndefined();
    expect(codeOf(await ask(other, { extensions: extensionsFor(query) }))).toBe('PERSISTED_QUERY_NOT_FOUND');
  });
});
