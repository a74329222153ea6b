import { createRequire } from 'node:module';
import { connect, isIP } from 'node:net';
import type { Cluster, Redis, RedisOptions } from 'ioredis';

/** Loaded with the first connection: servers without Redis start sooner. */
const ioredis = () => createRequire(import.meta.url)('ioredis') as typeof import('ioredis');

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

/** A connection that turns out to be one to a cluster is replaced by one to all of its nodes. */
export interface RedisLink {
  /** The connection of this moment. */
  readonly client: Redis | Cluster;
  /** Why the connection of this moment is not the one that was asked for, though it answers: a database that is not there. */
  readonly mismatch: Error | undefined;
  onError(listener: (error: Error) => void): void;
  close(): void;
}

/**
 * Connects in the background, for as long as it takes. Several addresses are nodes of a cluster;
 * `redis-sentinel://[user:password@]host:26379,host2:26379/master-name[/db][?sentinelPassword=…]` asks Sentinel where the
 * master is.
 */
export function linkRedis(urls: readonly string[], patience: Patience, more: RedisOptions = {}): RedisLink {
  const listeners: Array<(error: Error) => void> = [];
  const tell = (error: Error) => {
    for (const listener of listeners) listener(error);
  };
  const useCluster = (node: Redis) => {
    if (client !== node) return;
    node.disconnect();
    client = listen(connectCluster(urls, patience, more));
  };
  let mismatch: Error | undefined;
  const failed = (error: Error) => {
    if (isDatabaseReply(error)) mismatch = error;
    const { lastNodeError } = error as { lastNodeError?: Error };
    tell(lastNodeError ?? error);
    if (/Connection is closed/.test((lastNodeError ?? error).message)) void why();
  };
  const why = oneAtATime(async () => {
    for (const error of await Promise.all(hostsOf(urls).map(connectionError))) if (error) tell(error);
  });
  const listen = (connected: Redis | Cluster) => {
    connected.on('error', failed);
    connected.on('close', () => {
      mismatch = undefined;
    });
    if (isCluster(connected)) connected.on('node error', failed);
    // One node of a cluster refuses to read keys of two slots in one command.
    else
      connected.on('ready', () =>
        connected.mget('embed:ping:1', 'embed:ping:2').catch((error: unknown) => {
          if (isClusterReply(error)) useCluster(connected);
        }),
      );
    return connected;
  };
  let client: Redis | Cluster = listen(
    urls.length > 1 ? connectCluster(urls, patience, more) : connectOne(urls[0]!, patience, more),
  );
  return {
    get client() {
      return client;
    },
    get mismatch() {
      return mismatch;
    },
    onError: (listener) => void listeners.push(listener),
    close: () => client.disconnect(),
  };
}

/** What one node of a cluster says to somebody who takes it for all. */
function isClusterReply(error: unknown): boolean {
  return error instanceof Error && /^(MOVED|CROSSSLOT|ASK)\b/.test(error.message);
}

/** SELECT was refused: ioredis goes on with database 0. */
function isDatabaseReply(error: Error): boolean {
  return error.name === 'ReplyError' && /DB index/.test(error.message);
}

/** Where Sentinels or nodes are, of which ioredis tells only that their connections are closed. */
function hostsOf(urls: readonly string[]): Array<{ host: string; port: number }> {
  return urls.flatMap((url) => {
    if (!url.startsWith('redis-sentinel:')) {
      const { host, port } = readRedisUrl(url);
      return [{ host: host!, port: port! }];
    }
    return (readSentinelUrl(url).sentinels ?? []).map(({ host = '', port = 26_379 }) => ({ host, port }));
  });
}

/** Why an address cannot be reached; undefined where it can. */
function connectionError(address: { host: string; port: number }): Promise<Error | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ ...address, timeout: limits.connectTimeout! });
    socket.unref();
    const end = (error?: Error) => {
      socket.destroy();
      resolve(error);
    };
    socket.once('connect', () => end());
    socket.once('timeout', () => end());
    socket.once('error', end);
  });
}

function oneAtATime(work: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined;
  return () => {
    running ??= work().finally(() => {
      running = undefined;
    });
    return running;
  };
}

function connectOne(url: string, patience: Patience, more: RedisOptions): Redis {
  const target = url.startsWith('redis-sentinel:') ? readSentinelUrl(url) : readRedisUrl(url);
  return new (ioredis().Redis)({ ...target, ...optionsOf(patience), ...more });
}

function optionsOf({ queueWhileOffline, reconnectMs }: Patience): RedisOptions {
  return {
    ...limits,
    enableOfflineQueue: queueWhileOffline,
    // The check asks for INFO, which a user with few rights may not; a ping tells as much.
    enableReadyCheck: false,
    retryStrategy: (attempt) => reconnectMs(attempt) ?? null,
    ...(queueWhileOffline ? { maxRetriesPerRequest: 2 } : {}),
  };
}

/** User, password, TLS and database of an address. */
function readRedisUrl(url: string): RedisOptions {
  const { protocol, hostname, port, username, password, pathname } = new URL(url);
  const db = pathname.slice(1);
  return {
    host: hostname.replace(/^\[|\]$/g, ''),
    port: Number(port || 6_379),
    ...credentials(username, password),
    ...(db === '' ? {} : { db: Number(db) }),
    ...(protocol === 'rediss:'
      ? { tls: isIP(hostname.replace(/^\[|\]$/g, '')) ? {} : { servername: hostname } }
      : {}),
  };
}

function credentials(username: string, password: string): RedisOptions {
  return {
    ...(username ? { username: decodeURIComponent(username) } : {}),
    ...(password ? { password: decodeURIComponent(password) } : {}),
  };
}

/** The user and password of such an address are the master's. */
export function readSentinelUrl(url: string): RedisOptions {
  const [address = '', ...queries] = url.split('?');
  const [scheme, nothing, authority = '', name, db, ...more] = address.split('/');
  const [userInfo, hosts] = splitOnce(authority, '@');
  const isWhole = scheme === 'redis-sentinel:' && nothing === '' && hosts !== '' && name && more.length === 0;
  if (!isWhole || (db !== undefined && !/^\d+$/.test(db))) throw new Error('not a redis-sentinel:// address');
  const [username, password] = splitOnce(userInfo, ':');
  const sentinelPassword = new URLSearchParams(queries.join('?')).get('sentinelPassword');
  return {
    sentinels: hosts.split(',').map((item) => {
      const { hostname, port } = new URL(`redis://${item}`);
      return { host: hostname, port: Number(port || 26_379) };
    }),
    name: decodeURIComponent(name),
    ...credentials(username, password),
    ...(db === undefined ? {} : { db: Number(db) }),
    ...(sentinelPassword ? { sentinelPassword } : {}),
  };
}

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at === -1 ? ['', text] : [text.slice(0, at), text.slice(at + 1)];
}

/** Nodes to begin with; the others are found. User, password and TLS are those of the first. */
function connectCluster(urls: readonly string[], patience: Patience, more: RedisOptions): Cluster {
  const [first] = urls.map((url) => readRedisUrl(url));
  const { host: _host, port: _port, db: _db, tls, ...shared } = first!;
  return new (ioredis().Cluster)(
    urls.map((url) => {
      const { host, port } = readRedisUrl(url);
      return { host: host!, port: port! };
    }),
    {
      enableOfflineQueue: patience.queueWhileOffline,
      enableReadyCheck: false,
      clusterRetryStrategy: (attempt) => patience.reconnectMs(attempt) ?? null,
      slotsRefreshTimeout: 1_000,
      redisOptions: { ...limits, ...more, ...shared, ...(tls ? { tls: {} } : {}) },
    },
  );
}

/** Milliseconds that the budgets of keys may wait for Redis. */
export const budgetWaitMs = 100;

/** A connection for what must not be lost; undefined where there is no Redis. Failures are told once, by the cache. */
export function linkBudgets(urls: readonly string[]): RedisLink | undefined {
  if (urls.length === 0) return undefined;
  const link = linkRedis(urls, forServing, { commandTimeout: budgetWaitMs });
  link.onError(() => {});
  return link;
}

/** Whether a connection is one to all nodes of a cluster. */
export function isCluster(client: Redis | Cluster): client is Cluster {
  return client.isCluster;
}
