import { Cluster, Redis, type RedisOptions } from 'ioredis';

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

/** Milliseconds after which a command that nobody waits for any more is given up. */
const commandTimeoutMs = 1_000;

/** Milliseconds without an answer after which a connection counts as dead. */
const socketTimeoutMs = 3_000;

const reconnectMs = (times: number) => Math.min(50 * times, 1_000);

/** By default ioredis queues commands while it is offline and tries them for ever; a cache wants neither. */
const options: RedisOptions = {
  enableOfflineQueue: false,
  maxRetriesPerRequest: 0,
  autoResendUnfulfilledCommands: false,
  connectTimeout: 2_000,
  commandTimeout: commandTimeoutMs,
  socketTimeout: socketTimeoutMs,
};

/** Connects in the background, for as long as it takes. Several addresses are the nodes of a cluster. */
export function connectRedis(urls: readonly string[]): RedisCommands {
  return urls.length > 1 ? clusterCommands(urls) : singleCommands(urls[0]!);
}

function singleCommands(url: string): RedisCommands {
  const redis = new Redis(url, { ...options, retryStrategy: reconnectMs });
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
  const nodes = urls.map((url) => new URL(url));
  const [first] = nodes;
  const { retryStrategy: _, enableOfflineQueue: __, ...redisOptions } = options;
  const cluster = new Cluster(
    nodes.map(({ hostname, port }) => ({ host: hostname, port: Number(port || 6_379) })),
    {
      enableOfflineQueue: false,
      // Commands of the same tick go out as one pipeline for each node, whatever their slots.
      enableAutoPipelining: true,
      clusterRetryStrategy: reconnectMs,
      slotsRefreshTimeout: 1_000,
      redisOptions: {
        ...redisOptions,
        ...(first!.username ? { username: decodeURIComponent(first!.username) } : {}),
        ...(first!.password ? { password: decodeURIComponent(first!.password) } : {}),
        ...(first!.protocol === 'rediss:' ? { tls: {} } : {}),
      },
    },
  );
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
