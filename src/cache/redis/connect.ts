import { Cluster, Redis, type RedisOptions } from 'ioredis';

/** How often and how long to try. */
export interface Patience {
  /** False lets a command fail at once while there is no connection. */
  queueWhileOffline: boolean;
  /** Milliseconds until the next attempt to connect; undefined gives up. @param attempt from 1 */
  reconnectMs(attempt: number): number | undefined;
}

/** For a cache: fail at once, and try for ever in the background. */
export const forServing: Patience = {
  queueWhileOffline: false,
  reconnectMs: (attempt) => Math.min(50 * attempt, 1_000),
};

/** For a command that a person waits for: wait a moment, then say that it does not work. */
export const forMaintenance: Patience = {
  queueWhileOffline: true,
  reconnectMs: (attempt) => (attempt > 3 ? undefined : 200),
};

/** Milliseconds after which a command is given up, and a connection without an answer counts as dead. */
const limits: RedisOptions = {
  maxRetriesPerRequest: 0,
  autoResendUnfulfilledCommands: false,
  connectTimeout: 2_000,
  commandTimeout: 1_000,
  socketTimeout: 3_000,
};

export function connectSingle(url: string, patience: Patience, more: RedisOptions = {}): Redis {
  const { queueWhileOffline, reconnectMs } = patience;
  return new Redis(url, {
    ...limits,
    ...more,
    enableOfflineQueue: queueWhileOffline,
    retryStrategy: (attempt) => reconnectMs(attempt) ?? null,
    ...(queueWhileOffline ? { maxRetriesPerRequest: 2 } : {}),
  });
}

/** All nodes are given in `urls`; user, password and TLS are those of the first. */
export function connectCluster(
  urls: readonly string[],
  { queueWhileOffline, reconnectMs }: Patience,
  more: RedisOptions = {},
): Cluster {
  const nodes = urls.map((url) => new URL(url));
  const { username, password, protocol } = nodes[0]!;
  return new Cluster(
    nodes.map(({ hostname, port }) => ({ host: hostname, port: Number(port || 6_379) })),
    {
      enableOfflineQueue: queueWhileOffline,
      // Commands of the same tick go out as one pipeline for each node, whatever their slots.
      enableAutoPipelining: true,
      clusterRetryStrategy: (attempt) => reconnectMs(attempt) ?? null,
      slotsRefreshTimeout: 1_000,
      redisOptions: {
        ...limits,
        ...more,
        ...(username ? { username: decodeURIComponent(username) } : {}),
        ...(password ? { password: decodeURIComponent(password) } : {}),
        ...(protocol === 'rediss:' ? { tls: {} } : {}),
      },
    },
  );
}

/** Milliseconds that the budgets of keys may wait for Redis. */
export const budgetWaitMs = 100;

/** A connection for the budgets of keys; undefined where there is no Redis. Failures are told once, by the cache. */
export function connectBudgets(urls: readonly string[]): Redis | Cluster | undefined {
  const wait: RedisOptions = { commandTimeout: budgetWaitMs };
  if (urls.length === 0) return undefined;
  const redis =
    urls.length > 1 ? connectCluster(urls, forServing, wait) : connectSingle(urls[0]!, forServing, wait);
  redis.on('error', () => {});
  return redis;
}
