import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { askHolder, type FolderLock, lockFolder } from '../../../src/files/folder-lock.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'lock-'));
});
afterEach(() => rm(folder, { recursive: true }));

const echo = async (request: string) => `you said ${request}`;
const isLock = (lock: FolderLock | undefined): lock is FolderLock => lock !== undefined;

test('one has it, the other does not, until it is released', async () => {
  const first = await lockFolder(folder, echo);
  expect(await lockFolder(folder, echo)).toBeUndefined();
  await first!.release();
  expect(await readdir(folder)).toEqual([]);
  const second = await lockFolder(folder, echo);
  expect(second).toBeDefined();
  await second!.release();
});

test('of many at once one has it, every time', async () => {
  for (let round = 0; round < 20; round++) {
    const locks = await Promise.all(Array.from({ length: 8 }, () => lockFolder(folder, echo)));
    expect(locks.filter(isLock)).toHaveLength(1);
    await Promise.all(locks.map((lock) => lock?.release()));
  }
});

test('the lock of a process that was killed is free at once; of processes that race for it one has it', async () => {
  const module = fileURLToPath(new URL('../../../src/files/folder-lock.ts', import.meta.url));
  const script = `
    const { lockFolder } = await import(${JSON.stringify(module)});
    const lock = await lockFolder(${JSON.stringify(folder)}, async () => '');
    console.log(lock ? 'holds' : 'goes without');
    setInterval(() => {}, 1000);`;
  const start = () => {
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script]);
    const said = once(child.stdout, 'data').then(([chunk]) => String(chunk).trim());
    return { child, said: Promise.race([said, once(child, 'exit').then(() => 'ended')]) };
  };
  for (let round = 0; round < 12; round++) {
    const racers = Array.from({ length: 3 }, start);
    const said = await Promise.all(racers.map((racer) => racer.said));
    expect(said.sort()).toEqual(['goes without', 'goes without', 'holds']);
    expect(await lockFolder(folder, echo)).toBeUndefined();
    for (const { child } of racers) {
      child.kill('SIGKILL');
      await once(child, 'close');
    }
  }
  const lock = await lockFolder(folder, echo);
  expect(lock).toBeDefined();
  await lock!.release();
});

test('the holder can be asked, also where the path is longer than the address of a socket', async () => {
  const long = path.join(folder, 'x'.repeat(150));
  await mkdir(long);
  expect(await askHolder(long, 'hello', 1_000)).toBeUndefined();
  const lock = await lockFolder(long, echo);
  expect(await askHolder(long, 'hello', 1_000)).toBe('you said hello');
  await lock!.release();
  const failing = await lockFolder(long, () => Promise.reject(new Error('no')));
  await expect(askHolder(long, 'hello', 1_000)).rejects.toThrow('does not answer');
  await failing!.release();
});

test('a file that only looks like a lock is in nobody’s way', async () => {
  await writeFile(path.join(folder, 'lock-0123456789abcdef'), 'not a socket');
  const lock = await lockFolder(folder, echo);
  expect(lock).toBeDefined();
  await lock!.release();
  expect(await readdir(folder)).toEqual([]);
});
