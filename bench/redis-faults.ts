import { setTimeout as sleep } from 'node:timers/promises';
import type { RedisServer } from '../test/support/redis-server.ts';

/** What befalls a Redis. */
export type RedisFault = 'hung' | 'killed' | 'emptied' | 'read-only';

/** Breaks a Redis in all ways until `running` is false, and leaves it whole. @returns how often each has happened */
export async function breakRedis(
  redis: RedisServer,
  running: () => boolean,
  faults: readonly RedisFault[] = ['hung', 'hung', 'killed', 'emptied', 'read-only'],
): Promise<Map<RedisFault, number>> {
  const happened = new Map<RedisFault, number>();
  while (running()) {
    await sleep(2_000 + Math.random() * 4_000);
    const fault = faults[Math.floor(Math.random() * faults.length)]!;
    happened.set(fault, (happened.get(fault) ?? 0) + 1);
    switch (fault) {
      case 'hung':
        redis.signal('SIGSTOP');
        await sleep(500 + Math.random() * 2_000);
        redis.signal('SIGCONT');
        break;
      case 'killed':
        redis.signal('SIGKILL');
        await sleep(500 + Math.random() * 1_000);
        await redis.restart();
        break;
      case 'emptied':
        await redis.client.flushall().catch(() => {});
        break;
      case 'read-only':
        // Of a master that does not exist: it goes on reading what it has.
        await redis.client.replicaof('127.0.0.1', 1).catch(() => {});
        await sleep(500 + Math.random() * 2_000);
        await writable(redis);
        break;
    }
  }
  return happened;
}

async function writable(redis: RedisServer): Promise<void> {
  for (let tries = 0; tries < 50; tries++) {
    try {
      await redis.client.replicaof('NO', 'ONE');
      return;
    } catch {
      await sleep(100);
    }
  }
  throw new Error('Redis does not become a master again');
}
