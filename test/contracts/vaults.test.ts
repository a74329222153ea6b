import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { forServing, linkRedis } from '../../src/cache/redis/connect.ts';
import { silentLog } from '../../src/core/surroundings.ts';
import { openDiskVault, openTextFolder } from '../../src/jobs/disk-vault.ts';
import type { JobRecord } from '../../src/jobs/job.ts';
import { RedisBlobs } from '../../src/jobs/redis-blobs.ts';
import { RedisRecords } from '../../src/jobs/redis-records.ts';
import { LostError } from '../../src/jobs/store-errors.ts';
import type { Blobs, Vault } from '../../src/jobs/vault.ts';
import { hasRedisServer, type RedisServer, startRedis } from '../support/redis-server.ts';

const day = 86_400_000;

/** What jobs rely on, whatever they are kept in. */
interface Subject {
  name: string;
  isThere: boolean;
  /** Opens it; what was written before is still there. */
  open(): Promise<Vault>;
}

let redis: RedisServer;
let folder: string;

const subjects: Subject[] = [
  { name: 'a folder', isThere: true, open: async () => (await openDiskVault(folder, silentLog))! },
  {
    name: 'Redis',
    isThere: hasRedisServer,
    async open() {
      const connection = linkRedis([redis.url], forServing);
      connection.onError(() => {});
      while (connection.client.status !== 'ready') await new Promise((resolve) => setTimeout(resolve, 5));
      return {
        records: new RedisRecords(connection, day),
        texts: new RedisBlobs(connection, 'secret', day),
        results: new RedisBlobs(connection, undefined, day),
        home: undefined,
        close: async () => connection.close(),
      };
    },
  },
];

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'embedql-vault-'));
  if (hasRedisServer) redis = await startRedis();
});
afterAll(async () => {
  if (hasRedisServer) await redis.stop();
});

let made = 0;
function newJob(by: Partial<JobRecord> = {}): JobRecord {
  made += 1;
  return {
    id: `job_${String(made).padStart(24, '0')}`,
    key: 'web',
    epoch: 0,
    createdAt: 1_000 + made,
    status: 'QUEUED',
    model: 'fake',
    kind: 'doc',
    dimensions: 4,
    truncate: true,
    takesBlank: false,
    deadline: 'NOW',
    total: 1,
    done: 0,
    cached: 0,
    failed: 0,
    tokens: 0,
    paidTokens: 0,
    batchTokens: 0,
    textBytes: 0,
    textsAt: 0,
    resultBytes: 0,
    batches: [],
    ...by,
  };
}

async function whole(blobs: Blobs, name: string, from: number, to: number): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of blobs.read(name, from, to)) parts.push(part);
  return Buffer.concat(parts).toString();
}

describe.each(subjects.filter(({ isThere }) => isThere))('$name', ({ open }) => {
  test('has what was put there, also for whoever opens it later', async () => {
    const first = await open();
    const job = newJob({
      batches: [{ number: 0, state: 'submitted', id: 'b', since: 1, texts: 3, from: 0, to: 9 }],
    });
    await first.records.add('jobs', job);
    await first.texts.write(`${job.id}.texts`, 0, Buffer.from('a text'));
    await first.close();
    const second = await open();
    expect(await second.records.get('jobs', job.id)).toEqual(job);
    expect(await second.records.get('jobs', 'job_none')).toBeUndefined();
    expect(await whole(second.texts, `${job.id}.texts`, 0, 6)).toBe('a text');
    await second.records.remove('jobs', job.id);
    expect(await second.records.get('jobs', job.id)).toBeUndefined();
    await second.close();
  });

  test('lists the newest first, for a key or for all, and no more than asked', async () => {
    const { records, close } = await open();
    const jobs = Array.from({ length: 5 }, (_, i) => newJob({ key: i % 2 ? 'lists' : 'other' }));
    for (const job of jobs.toSorted(() => 0.3 - Math.random())) await records.add('jobs', job);
    const ids = async (key: string | undefined, most: number) =>
      (await records.list('jobs', key, most)).map(({ id }) => id);
    const newest = jobs.map(({ id }) => id).toReversed();
    expect(await ids(undefined, 3)).toEqual(newest.slice(0, 3));
    expect(await ids('lists', 10)).toEqual([newest[1], newest[3]]);
    expect(await ids('nobody', 10)).toEqual([]);
    await records.remove('jobs', newest[0]!);
    expect((await ids(undefined, 2))[0]).toBe(newest[1]);
    await close();
  });

  test('whoever takes a job up is the only one who can write it down', async () => {
    const { records, close } = await open();
    const job = newJob();
    await records.add('jobs', job);
    const first = (await records.takeUp(job.id))!;
    expect(await records.save({ ...first, done: 1 })).toBe(true);
    const second = (await records.takeUp(job.id))!;
    expect(second).toMatchObject({ done: 1 });
    expect(second.epoch).toBeGreaterThan(first.epoch);
    expect(await records.save({ ...first, done: 2 })).toBe(false);
    expect(await records.save({ ...second, done: 3 })).toBe(true);
    expect(await records.get('jobs', job.id)).toMatchObject({ done: 3 });
    await records.remove('jobs', job.id);
    expect(await records.save(second)).toBe(false);
    expect(await records.takeUp(job.id)).toBeUndefined();
    await close();
  });

  test('a cancelled job stays so, whoever writes it down afterwards', async () => {
    const vault = await open();
    const job = newJob();
    await vault.records.add('jobs', job);
    const taken = (await vault.records.takeUp(job.id))!;
    expect(await vault.records.isCancelled(job.id)).toBe(false);
    expect(await vault.records.cancel(job.id)).toBe(true);
    expect(await vault.records.cancel('job_none')).toBe(false);
    expect(await vault.records.save({ ...taken, done: 1 })).toBe(true);
    await vault.close();
    const again = await open();
    expect(await again.records.isCancelled(job.id)).toBe(true);
    expect(await again.records.get('jobs', job.id)).toMatchObject({
      done: 1,
      cancelledAt: expect.any(Number),
    });
    await again.close();
  });

  test.each(['texts', 'results'] as const)(
    '%s: what is written at a place counts, and nothing behind it',
    async (kind) => {
      const vault = await open();
      const blobs = vault[kind];
      const name = `blob-${made++}`;
      await blobs.write(name, 0, Buffer.from('0123456789'));
      await blobs.write(name, 10, Buffer.from('lost in a crash'));
      await blobs.write(name, 10, Buffer.from('abc'));
      await blobs.write(name, 13, Buffer.from('def'));
      expect(await whole(blobs, name, 0, 16)).toBe('0123456789abcdef');
      expect(await whole(blobs, name, 8, 14)).toBe('89abcd');
      expect(await whole(blobs, name, 12, 13)).toBe('c');
      expect(await whole(blobs, name, 5, 5)).toBe('');
      const large = Buffer.alloc(3_500_000, 'xyz');
      await blobs.write(name, 16, large);
      expect((await whole(blobs, name, 16, 16 + large.length)) === large.toString()).toBe(true);
      expect(await whole(blobs, name, 1_100_000, 1_100_010)).toBe(
        large.toString('utf8', 1_099_984, 1_099_994),
      );
      await expect(whole(blobs, name, 0, 4_000_000)).rejects.toThrow(LostError);
      await blobs.remove(name);
      await blobs.remove(name);
      await expect(whole(blobs, name, 0, 1)).rejects.toThrow(LostError);
      await vault.close();
    },
  );

  test('a text is claimed by one job at a time, also after it is opened again', async () => {
    const vault = await open();
    const [one, other] = [newJob(), newJob()];
    for (const job of [one, other]) await vault.records.add('jobs', job);
    const keys = Array.from({ length: 1_200 }, (_, i) => `embed:v2:m:doc:${made}-${i}`);
    expect(await vault.records.claim(keys.slice(0, 700), one.id)).toEqual(new Array(700).fill(true));
    expect(await vault.records.claim(keys.slice(0, 3), one.id)).toEqual([true, true, true]);
    await vault.close();
    const again = await open();
    const claimed = await again.records.claim(keys.slice(600), other.id);
    expect(claimed.filter((is) => !is)).toHaveLength(100);
    await again.records.release(one.id);
    expect(await again.records.claim(keys.slice(0, 10), other.id)).toEqual(new Array(10).fill(true));
    await again.close();
  });
});

test.skipIf(!hasRedisServer)(
  'in Redis results are written by whoever has the job, not by one that was away meanwhile',
  async () => {
    const vault = await subjects[1]!.open();
    const { id } = newJob();
    await vault.records.add('jobs', newJob({ id }));
    const name = `${id}.results`;
    const first = (await vault.records.takeUp(id))!;
    expect(await vault.results.write(name, 0, Buffer.from('ab'), first)).toBe(true);
    const second = (await vault.records.takeUp(id))!;
    expect(await vault.results.write(name, 2, Buffer.from('cd'), second)).toBe(true);
    expect(await vault.results.write(name, 4, Buffer.from('ef'), second)).toBe(true);
    expect(await vault.results.write(name, 2, Buffer.from('c'), first)).toBe(false);
    expect(await whole(vault.results, name, 0, 6)).toBe('abcdef');
    await vault.close();
  },
);

test.skipIf(!hasRedisServer)(
  'in Redis a text can be read with its secret alone, and only at its place',
  async () => {
    const connection = linkRedis([redis.url], forServing);
    connection.onError(() => {});
    while (connection.client.status !== 'ready') await new Promise((resolve) => setTimeout(resolve, 5));
    await redis.client.del('{embedql}:jobs:check');
    const blobs = new RedisBlobs(connection, 'right', day);
    await blobs.write('a', 0, Buffer.from('one'));
    await blobs.write('b', 0, Buffer.from('two'));
    // Whoever has another secret cannot tell what is lost, and adds nothing that others could not read.
    const wrong = new RedisBlobs(connection, 'wrong', day);
    const refusal = { code: 'OVERLOADED', hint: 'jobSecret', retryable: true };
    await expect(whole(wrong, 'a', 0, 3)).rejects.toMatchObject(refusal);
    await expect(wrong.requireSameSecret()).rejects.toMatchObject(refusal);
    await expect(wrong.write('c', 0, Buffer.from('three'))).rejects.toMatchObject(refusal);
    expect(await redis.client.exists('{embedql}:jobs:blob:c')).toBe(0);
    await blobs.requireSameSecret();
    expect(await redis.client.get('{embedql}:jobs:check')).not.toMatch(/right|wrong/);
    // Once nothing is left that was encrypted with it, another secret may come.
    const [check, parts] = [
      await redis.client.ttl('{embedql}:jobs:check'),
      await redis.client.ttl('{embedql}:jobs:blob:b'),
    ];
    expect(check).toBeGreaterThan(0);
    expect(check).toBeLessThanOrEqual(parts + 1);
    await redis.client.del('{embedql}:jobs:check');
    await expect(whole(wrong, 'a', 0, 3)).rejects.toMatchObject(refusal);
    await wrong.requireSameSecret();
    await blobs.write('a', 0, Buffer.from('one'));
    await expect(wrong.requireSameSecret()).rejects.toMatchObject(refusal);
    const stored = (await redis.client.hgetBuffer('{embedql}:jobs:blob:a', '0'))!;
    expect(stored.includes('one')).toBe(false);
    await redis.client.hset('{embedql}:jobs:blob:b', '0', stored);
    await expect(whole(blobs, 'b', 0, 3)).rejects.toThrow(LostError);
    for (let i = 0; i < stored.length; i += 7) {
      const damaged = Buffer.from(stored);
      damaged[i] = damaged[i]! ^ 1;
      await redis.client.hset('{embedql}:jobs:blob:a', '0', damaged);
      await expect(whole(blobs, 'a', 0, 3)).rejects.toThrow(LostError);
    }
    connection.close();
  },
);

test('texts of a folder that is away, or another one meanwhile, are not lost', async () => {
  const dir = await mkdtemp(path.join(tmpdir(), 'embedql-away-'));
  const { texts, close } = (await openTextFolder(dir))!;
  await texts.write('a', 0, Buffer.from('one'));
  const isNotLost = async () => {
    const error = await whole(texts, 'a', 0, 3).catch((thrown: unknown) => thrown);
    expect([error instanceof LostError, error]).toEqual([false, expect.objectContaining({ code: 'ENOENT' })]);
  };
  await rename(dir, `${dir}-elsewhere`);
  await isNotLost();
  await mkdir(path.join(dir, 'job-texts', 'blobs'), { recursive: true });
  await isNotLost();
  await rm(dir, { recursive: true });
  await mkdir(dir);
  await expect(texts.write('b', 0, Buffer.from('two'))).rejects.toMatchObject({ code: 'ENOENT' });
  const other = (await openTextFolder(dir))!;
  await isNotLost();
  await other.close();
  await rm(dir, { recursive: true });
  await rename(`${dir}-elsewhere`, dir);
  expect(await whole(texts, 'a', 0, 3)).toBe('one');
  await texts.remove('a');
  await expect(whole(texts, 'a', 0, 3)).rejects.toThrow(LostError);
  await close();
});
