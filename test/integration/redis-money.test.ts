import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { MoneyHold, MoneyStore } from '../../src/admission/money.ts';
import { redisMoney } from '../../src/admission/redis-money.ts';
import { hasRedisServer, type RedisServer, startRedis } from '../support/redis-server.ts';

const request = { key: 'web', period: '2026-01-01', limit: 100 };

/** A process that sets aside everything and waits. */
const holder = `
  import { Redis } from 'ioredis';
  import { redisMoney } from './dist/admission/redis-money.js';
  const [url, holdMs, request] = process.argv.slice(1);
  const money = redisMoney({ client: new Redis(url) }, Number(holdMs));
  const { granted } = await money.hold({ ...JSON.parse(request), amounts: [60, 40] });
  console.log('granted', granted.filter(Boolean).length);
  setInterval(() => {}, 1_000);`;

describe.skipIf(!hasRedisServer)('books that replicas share', () => {
  let redis: RedisServer;

  beforeEach(async () => {
    redis = await startRedis();
  });
  afterEach(() => redis.stop());

  const granted = async (money: MoneyStore, ...amounts: number[]) =>
    (await money.hold({ ...request, amounts })).granted.filter(Boolean).length;
  const settled = async (hold: MoneyHold, reserved: number, spent: number) => {
    hold.settle(reserved, spent);
    await sleep(0);
    // One connection: what comes after it has been booked.
    await redis.client.ping();
  };
  const book = async (field: string) =>
    Number((await redis.client.hget(`{embedql}:money:${request.key}:${request.period}`, field)) ?? 0);

  test('what a killed process had set aside is free again once its time is over, and not before', async () => {
    const holdMs = 1_500;
    const child = spawn(
      process.execPath,
      ['--input-type=module', '-e', holder, redis.url, String(holdMs), JSON.stringify(request)],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    const [printed] = (await once(child.stdout, 'data')) as [Buffer];
    const heldSince = Date.now();
    expect(printed.toString()).toBe('granted 2\n');
    child.kill('SIGKILL');
    await once(child, 'exit');
    const money = redisMoney(redis, holdMs);
    // On a machine that is too busy the time may be over by now.
    if (Date.now() - heldSince < holdMs - 500) expect(await granted(money, 1)).toBe(0);
    await expect.poll(() => granted(money, 100), { timeout: 10_000, interval: 100 }).toBe(1);
    expect(await granted(money, 1)).toBe(0);
  });

  test('what is settled is booked; the rest of a hold stays set aside', async () => {
    const money = redisMoney(redis, 60_000);
    const hold = await money.hold({ ...request, amounts: [60, 40, 1] });
    expect(hold.granted).toEqual([true, true, false]);
    await settled(hold, 60, 10);
    expect([await book('held'), await book('spent')]).toEqual([40, 10]);
    expect(await granted(money, 51)).toBe(0);
    await settled(hold, 40, 0);
    expect([await book('held'), await book('spent')]).toEqual([0, 10]);
    expect(await granted(money, 90)).toBe(1);
  });

  test('who settles after the time is over has spent it all the same, and gives nothing back twice', async () => {
    const money = redisMoney(redis, 50);
    const late = await money.hold({ ...request, amounts: [100] });
    await sleep(60);
    const next = redisMoney(redis, 60_000);
    expect(await granted(next, 30)).toBe(1);
    await settled(late, 100, 70);
    expect([await book('held'), await book('spent')]).toEqual([30, 70]);
    expect(await granted(next, 1)).toBe(0);
  });
});
