import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp } from 'node:fs/promises';
import { createServer } from 'node:net';
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
