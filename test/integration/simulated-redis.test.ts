import { expect, test } from 'vitest';
import { type RedisCommands, redisCommands } from '../../src/cache/redis/commands.ts';
import { forServing, linkRedis } from '../../src/cache/redis/connect.ts';
import { Ledger } from '../simulation/ledger.ts';
import { SimProcess } from '../simulation/process.ts';
import { SimRedis } from '../simulation/redis.ts';
import { hasRedisServer, startRedis } from '../support/redis-server.ts';
import { seeded, VirtualTime } from '../support/virtual-time.ts';

/** Longer than the test: none ends by itself. */
const leaseMs = 600_000;

// The simulation is worth as much as its Redis is like Redis.
test.skipIf(!hasRedisServer)(
  'the simulated Redis answers as a real one does, whatever two processes ask of it',
  async () => {
    const server = await startRedis();
    const links = [1, 2].map(() => linkRedis([server.url], forServing));
    const time = new VirtualTime();
    const simulated = new SimRedis({
      world: { now: () => time.now(), random: time.random, later: (ms, work) => void time.after(ms, work) },
      ledger: new Ledger(() => time.now(), false),
      idOf: (key) => key,
      latency: [0, 0],
    });
    try {
      const real = links.map((link) => redisCommands(link));
      for (const commands of real)
        await expect
          .poll(() =>
            commands.ping().then(
              () => 'here',
              () => 'away',
            ),
          )
          .toBe('here');
      const fake = links.map((_, i) => simulated.connect(new SimProcess(`p${i}`, time)));
      const random = seeded(17);
      const keys = ['a', 'b', 'c', 'd'];
      for (let step = 0; step < 600; step++) {
        const holder = random() < 0.5 ? 0 : 1;
        const some = keys.filter(() => random() < 0.5);
        const command = random();
        const ask = async (commands: RedisCommands): Promise<unknown> => {
          if (some.length === 0) return undefined;
          if (command < 0.4) return commands.claimMany(some, leaseMs);
          if (command < 0.55) return void (await commands.renew(some, leaseMs));
          if (command < 0.75) return void (await commands.release(some));
          if (command < 0.85) return commands.getMany(some);
          return commands.setMany(
            some.map((key) => [key, Buffer.from(`${key}${step}`)] as const),
            0,
          );
        };
        const answer = ask(fake[holder]!);
        await time.advance(1);
        expect(await answer, `step ${step}`).toEqual(await ask(real[holder]!));
        if (random() < 0.05) {
          simulated.lose(1);
          await links[0]!.client.flushall();
        }
      }
    } finally {
      for (const link of links) link.close();
      await server.stop();
    }
  },
);
