import { randomUUID } from 'node:crypto';
import { connectCluster, connectSingle, forServing } from './connect.ts';

/** The few things that a cache asks of Redis, the same for one server and for a cluster. */
export interface RedisCommands {
  /** One round trip (in a cluster: one for each node). An Error in the place of a key that could not be read. */
  getMany(keys: readonly string[]): Promise<Array<Buffer | null | Error>>;
  /** One round trip, or one for each node. Errors, in the order of `entries`, null where it went well. */
  setMany(
    entries: ReadonlyArray<readonly [key: string, value: Buffer]>,
    ttlSeconds: number,
  ): Promise<Array<Error | null>>;
  /**
   * Takes a lease on each key that nobody has one on, for `ms`. Whether it was taken, in the order of `keys`.
   * One round trip. Undefined where leases are not to be had: in a cluster the keys lie on different nodes.
   */
  lease?(keys: readonly string[], ms: number): Promise<boolean[]>;
  ping(): Promise<unknown>;
  onError(listener: (error: Error) => void): void;
  close(): Promise<void>;
}

/** Connects in the background, for as long as it takes. Several addresses are the nodes of a cluster. */
export function connectRedis(urls: readonly string[]): RedisCommands {
  return urls.length > 1 ? clusterCommands(urls) : singleCommands(urls[0]!);
}

const leaseScript = `
  local taken = {}
  for i, key in ipairs(KEYS) do
    local free = redis.call('SET', key, ARGV[2], 'NX', 'PX', ARGV[1])
    taken[i] = (free or redis.call('GET', key) == ARGV[2]) and 1 or 0
  end
  return taken`;

/** Where the lease on a cache key lies. It is gone with the value's writing, or after its time. */
function leaseKey(key: string): string {
  return `embed:lease:${key}`;
}

function singleCommands(url: string): RedisCommands {
  const redis = connectSingle(url, forServing);
  /** Our own lease keeps us from nothing: what failed may be tried again at once. */
  const holder = randomUUID();
  return {
    getMany: (keys) => redis.mgetBuffer(...keys),
    async lease(keys, ms) {
      const taken = (await redis.eval(
        leaseScript,
        keys.length,
        ...keys.map(leaseKey),
        ms,
        holder,
      )) as number[];
      return taken.map((one) => one === 1);
    },
    async setMany(entries, ttlSeconds) {
      const pipeline = redis.pipeline();
      for (const [key, value] of entries) {
        if (ttlSeconds > 0) pipeline.set(key, value, 'EX', ttlSeconds);
        else pipeline.set(key, value);
      }
      pipeline.unlink(...entries.map(([key]) => leaseKey(key)));
      const results = (await pipeline.exec())!;
      return entries.map((_, i) => results[i]![0]);
    },
    ping: () => redis.ping(),
    onError: (listener) => void redis.on('error', listener),
    close: async () => redis.disconnect(),
  };
}

function clusterCommands(urls: readonly string[]): RedisCommands {
  const cluster = connectCluster(urls, forServing);
  return {
    getMany: async (keys) => Promise.all(keys.map((key) => cluster.getBuffer(key).catch(toError))),
    setMany: async (entries, ttlSeconds) =>
      Promise.all(
        entries.map(([key, value]) => {
          const written =
            ttlSeconds > 0 ? cluster.set(key, value, 'EX', ttlSeconds) : cluster.set(key, value);
          return written.then(() => null, toError);
        }),
      ),
    // Any key will do: what matters is that a node answers for it.
    ping: () => cluster.exists('embed:ping'),
    onError: (listener) => {
      cluster.on('error', listener);
      cluster.on('node error', listener);
    },
    close: async () => cluster.disconnect(),
  };
}

function toError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
