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
  ping(): Promise<unknown>;
  onError(listener: (error: Error) => void): void;
  close(): Promise<void>;
}

/** Connects in the background, for as long as it takes. Several addresses are the nodes of a cluster. */
export function connectRedis(urls: readonly string[]): RedisCommands {
  return urls.length > 1 ? clusterCommands(urls) : singleCommands(urls[0]!);
}

function singleCommands(url: string): RedisCommands {
  const redis = connectSingle(url, forServing);
  return {
    getMany: (keys) => redis.mgetBuffer(...keys),
    async setMany(entries, ttlSeconds) {
      const pipeline = redis.pipeline();
      for (const [key, value] of entries) {
        if (ttlSeconds > 0) pipeline.set(key, value, 'EX', ttlSeconds);
        else pipeline.set(key, value);
      }
      return (await pipeline.exec())!.map(([error]) => error);
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
