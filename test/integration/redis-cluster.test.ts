import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startEmbedQL, type TestServer } from '../support/embedql.ts';
import { type ProviderServer, startProvider, vectorOf } from '../support/provider-server.ts';
import { cachedKeys, hasRedisServer, type RedisCluster, startCluster } from '../support/redis-server.ts';
import { decode } from '../support/vectors.ts';

describe.skipIf(!hasRedisServer)('a Redis Cluster of three nodes', () => {
  let cluster: RedisCluster;
  let provider: ProviderServer;
  const servers: TestServer[] = [];

  beforeAll(async () => {
    [cluster, provider] = await Promise.all([startCluster(), startProvider()]);
  });
  afterAll(async () => {
    await Promise.all(servers.map((server) => server.stop()));
    await Promise.all([cluster.stop(), provider.close()]);
  });

  const start = async () => {
    const server = await startEmbedQL({ ...provider.env, REDIS_URL: cluster.urls });
    servers.push(server);
    return server;
  };
  const ask = async (server: TestServer, texts: string[]) => {
    const { data } = await server.graphql(
      'mutation($texts: [String!]!) { embedBatch(texts: $texts) { embeddingsBase64 cachedCount } }',
      { texts },
    );
    for (const [i, text] of texts.entries())
      expect(decode(data.embedBatch.embeddingsBase64[i])).toEqual(vectorOf(text));
    return data.embedBatch.cachedCount as number;
  };
  const keysOfNodes = () => Promise.all(cluster.nodes.map(({ client }) => cachedKeys(client)));
  const sum = (numbers: number[]) => numbers.reduce((a, b) => a + b, 0);
  /** Packets of commands that a node has read: what a round trip is to it. */
  const reads = () =>
    Promise.all(
      cluster.nodes.map(async ({ client }) =>
        Number(/cmdstat_get:calls=(\d+)/.exec(await client.info('commandstats'))?.[1] ?? 0),
      ),
    );

  test('is in use once every node is connected: nobody waits for that', async () => {
    const connections = () =>
      Promise.all(
        cluster.nodes.map(
          async ({ client }) =>
            String(await client.client('LIST'))
              .trim()
              .split('\n').length,
        ),
      );
    const before = await connections();
    const server = await start();
    await expect
      .poll(async () => (await server.graphql('{ health { cacheBackend } }')).data.health.cacheBackend)
      .toBe('redis');
    for (const [i, count] of (await connections()).entries()) expect(count).toBeGreaterThan(before[i]!);
  });

  test('keeps a batch of 500 keys over all slots, each on its node', async () => {
    const texts = Array.from({ length: 500 }, (_, i) => `clustered text ${i}`);
    const writer = await start();
    expect((await writer.graphql('{ health { status cacheBackend } }')).data.health).toEqual({
      status: 'OK',
      cacheBackend: 'redis',
    });
    expect(await ask(writer, texts)).toBe(0);
    while (sum(await keysOfNodes()) < 500) await sleep(20);
    for (const keys of await keysOfNodes()) expect(keys).toBeGreaterThan(100);
    for (const { client } of cluster.nodes)
      expect(await client.ttl((await client.randomkey())!)).toBeGreaterThan(600_000);
    const before = await reads();
    const reader = await start();
    expect(await ask(reader, texts)).toBe(500);
    expect(sum(await reads()) - sum(before)).toBe(500);
    expect(provider.calls).toHaveLength(5);
  });

  test('goes on without a node that dies, and uses the others', async () => {
    const server = await start();
    const texts = Array.from({ length: 60 }, (_, i) => `text before the fall ${i}`);
    await ask(server, texts);
    cluster.nodes[2]!.signal('SIGKILL');
    for (let round = 0; round < 10; round++) {
      await ask(server, [...texts, `after the fall ${round}`]);
      await sleep(50);
    }
    expect((await fetch(`${server.url}/ready`)).status).toBe(200);
  });
});
