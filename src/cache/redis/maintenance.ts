import type { Redis } from 'ioredis';
import { keyPattern, parseKey } from '../../core/cache.ts';
import { IdentityTally, isIdentityOf, type Maintenance } from '../maintenance.ts';
import { forMaintenance, isCluster, linkRedis } from './connect.ts';

/** Keys that one step of a scan looks at. */
const scanCount = 1_000;

/**
 * Walks the keys with SCAN, node by node in a cluster, and removes with UNLINK: neither keeps Redis from
 * serving others, as KEYS and FLUSH would.
 * @throws Error when Redis cannot be reached.
 */
export function openMaintenance(urls: readonly string[]): Maintenance {
  const link = linkRedis(urls, forMaintenance);
  // Commands fail and tell; the events add nothing.
  link.onError(() => {});

  async function* scan(model: string | undefined): AsyncGenerator<{ node: Redis; keys: string[] }> {
    const pattern = keyPattern(model);
    // By then it is known whether this is a cluster.
    await link.client.exists('embed:ping').catch(() => {});
    const redis = link.client;
    await redis.exists('embed:ping');
    for (const node of isCluster(redis) ? redis.nodes('master') : [redis]) {
      let cursor = '0';
      do {
        const [next, keys] = await node.scan(cursor, 'MATCH', pattern, 'COUNT', scanCount);
        cursor = next;
        const ours = keys.filter((key) => {
          const parsed = parseKey(key);
          return parsed && (model === undefined || isIdentityOf(parsed.identity, model));
        });
        if (ours.length > 0) yield { node, keys: ours };
      } while (cursor !== '0');
    }
  }

  return {
    async stats(model) {
      const tally = new IdentityTally();
      for await (const { node, keys } of scan(model)) {
        const pipeline = node.pipeline();
        for (const key of keys) pipeline.strlen(key);
        const lengths = (await pipeline.exec())!;
        for (const [i, key] of keys.entries()) {
          const { identity, kind } = parseKey(key)!;
          tally.add(identity, kind, Number(lengths[i]![1] ?? 0));
        }
      }
      return tally.result();
    },
    async clear(model) {
      let removed = 0;
      for await (const { node, keys } of scan(model)) {
        // One by one in a pipeline: keys of one command would have to share a slot in a cluster.
        const pipeline = node.pipeline();
        for (const key of keys) pipeline.unlink(key);
        for (const [error, count] of (await pipeline.exec())!) {
          if (error) throw error;
          removed += Number(count);
        }
      }
      return removed;
    },
    close: () => link.close(),
  };
}
