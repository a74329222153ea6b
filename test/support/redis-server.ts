import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { createConnection, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Redis } from 'ioredis';

export const hasRedisServer = findRedisServer();

function findRedisServer(): boolean {
  try {
    execFileSync('which', ['redis-server']);
    return true;
  } catch {
    process.stderr.write(
      'SKIPPED: no redis-server on the PATH, so the Redis tests do not run (apt-get install redis-server)\n',
    );
    return false;
  }
}

export interface RedisServer {
  port: number;
  url: string;
  /** For looking at what lies there. */
  client: Redis;
  signal(signal: NodeJS.Signals): void;
  /** Starts it again on the same port, empty. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** Keys of the cache: vectors and leases. */
export async function cachedKeys(client: Redis): Promise<number> {
  return (await client.keys('embed:*')).length;
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

/** A redis-server of the test's own, which keeps nothing on disk. */
export async function startRedis(args: readonly string[] = [], password = ''): Promise<RedisServer> {
  const port = await freePort();
  let child: ChildProcess;
  const launch = async () => {
    const dir = await mkdtemp(path.join(tmpdir(), 'embedql-redis-'));
    const common = [
      '--port',
      String(port),
      '--bind',
      '127.0.0.1',
      '--save',
      '',
      '--appendonly',
      'no',
      '--dir',
      dir,
    ];
    child = spawn('redis-server', [...common, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout!.on('data', (chunk: Buffer) => {
      output += chunk;
    });
    while (!/eady to accept connections/.test(output)) await once(child.stdout!, 'data');
  };
  await launch();
  const client = new Redis({ port, host: '127.0.0.1', lazyConnect: true, ...(password ? { password } : {}) });
  client.on('error', () => {});
  return {
    port,
    url: `redis://${password ? `:${password}@` : ''}127.0.0.1:${port}`,
    client,
    signal: (signal) => void child.kill(signal),
    restart: launch,
    async stop() {
      client.disconnect();
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
  };
}

export interface SlowProxy {
  port: number;
  /** How long everything that Redis says is held back. */
  delayMs: number;
  close(): Promise<void>;
}

/** A way to Redis that can be made slow. */
export async function startSlowProxy(redisPort: number): Promise<SlowProxy> {
  const server = createServer((client) => {
    const upstream = createConnection(redisPort, '127.0.0.1');
    client.on('data', (chunk) => upstream.write(chunk));
    upstream.on('data', (chunk) => setTimeout(() => client.write(chunk), proxy.delayMs));
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      one.on('close', () => other.destroy());
      one.on('error', () => {});
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const proxy: SlowProxy = {
    port: (server.address() as { port: number }).port,
    delayMs: 0,
    close: async () => void server.close(),
  };
  return proxy;
}

export interface RedisCluster {
  /** As REDIS_URL wants them. */
  urls: string;
  nodes: RedisServer[];
  stop(): Promise<void>;
}

/** Three masters that share the slots. */
export async function startCluster(): Promise<RedisCluster> {
  const options = ['--cluster-enabled', 'yes', '--cluster-node-timeout', '2000'];
  const nodes = await Promise.all([startRedis(options), startRedis(options), startRedis(options)]);
  const addresses = nodes.map(({ port }) => `127.0.0.1:${port}`);
  execFileSync('redis-cli', ['--cluster', 'create', ...addresses, '--cluster-yes'], { stdio: 'ignore' });
  const isReady = async ({ client }: RedisServer) =>
    (await client.cluster('INFO')).includes('cluster_state:ok');
  while (!(await Promise.all(nodes.map(isReady))).every(Boolean))
    await new Promise((resolve) => setTimeout(resolve, 50));
  return {
    urls: nodes.map(({ url }) => url).join(','),
    nodes,
    stop: async () => void (await Promise.all(nodes.map((node) => node.stop()))),
  };
}

export interface RedisSentinel {
  /** As REDIS_URL takes it. */
  url: string;
  /** The master at first, then its replica. */
  nodes: [RedisServer, RedisServer];
  stop(): Promise<void>;
}

/** A master, its replica, and three Sentinels that put the replica in its place when it dies. */
export async function startSentinel(): Promise<RedisSentinel> {
  const master = await startRedis(['--requirepass', 'right', '--masterauth', 'right'], 'right');
  const replica = await startRedis(
    ['--requirepass', 'right', '--masterauth', 'right', '--replicaof', '127.0.0.1', String(master.port)],
    'right',
  );
  const sentinels = await Promise.all([1, 2, 3].map(() => launchSentinel(master.port)));
  const isReady = async ({ client }: Sentinel) => {
    const [, replicas = 0, others = 0] =
      /slaves=(\d+),sentinels=(\d+)/.exec((await client.call('INFO', 'sentinel')) as string) ?? [];
    return Number(replicas) === 1 && Number(others) === 3;
  };
  while (!(await Promise.all(sentinels.map(isReady))).every(Boolean))
    await new Promise((resolve) => setTimeout(resolve, 50));
  return {
    url: `redis-sentinel://:right@${sentinels.map(({ port }) => `127.0.0.1:${port}`).join(',')}/mymaster`,
    nodes: [master, replica],
    async stop() {
      await Promise.all([...sentinels, master, replica].map((server) => server.stop()));
    },
  };
}

interface Sentinel {
  port: number;
  client: Redis;
  stop(): Promise<void>;
}

async function launchSentinel(masterPort: number): Promise<Sentinel> {
  const port = await freePort();
  const dir = await mkdtemp(path.join(tmpdir(), 'embedql-sentinel-'));
  const file = path.join(dir, 'sentinel.conf');
  const lines = [
    `port ${port}`,
    'bind 127.0.0.1',
    `dir ${dir}`,
    `sentinel monitor mymaster 127.0.0.1 ${masterPort} 2`,
    'sentinel auth-pass mymaster right',
    'sentinel down-after-milliseconds mymaster 1000',
    'sentinel failover-timeout mymaster 5000',
  ];
  await writeFile(file, `${lines.join('\n')}\n`);
  const child = spawn('redis-server', [file, '--sentinel'], { stdio: ['ignore', 'ignore', 'inherit'] });
  const client = new Redis({ port, host: '127.0.0.1' });
  client.on('error', () => {});
  return {
    port,
    client,
    async stop() {
      client.disconnect();
      child.kill('SIGKILL');
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    },
  };
}
