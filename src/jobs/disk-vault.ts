import { randomBytes } from 'node:crypto';
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Log } from '../core/surroundings.ts';
import { lockFolder, sweepUnfinishedLocks } from '../files/folder-lock.ts';
import { DiskBlobs } from './disk-blobs.ts';
import { DiskRecords } from './disk-records.ts';
import type { Blobs, Vault } from './vault.ts';

/** Milliseconds after which bytes are removed that belong to nothing: what was being taken in when the process died. */
const orphanMs = 86_400_000;

/**
 * Keeps everything in a folder, which this process has for itself meanwhile.
 * @param dir the folder that was configured; ours lies below
 * @returns undefined while another process has it. @throws Error of the system
 */
export async function openDiskVault(dir: string, log: Log): Promise<Vault | undefined> {
  const folder = path.join(dir, 'jobs');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const lock = await lockFolder(folder, async () => '');
  if (!lock) return undefined;
  try {
    await sweepUnfinishedLocks(folder);
    const records = await DiskRecords.open(folder, log);
    // It was made when they were opened.
    const isThere = () =>
      stat(path.join(folder, 'jobs')).then(
        () => true,
        () => false,
      );
    const blobs = new DiskBlobs(path.join(folder, 'blobs'), isThere);
    await blobs.sweep((name) => records.knows(name), orphanMs);
    return { records, texts: blobs, results: blobs, home: undefined, close: () => lock.release() };
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/**
 * The part of a folder that has texts alone, for a server whose records are elsewhere.
 * @returns its blobs, and the name of the folder, which stays the same over restarts; undefined while another process has it
 */
export async function openTextFolder(
  dir: string,
): Promise<{ texts: Blobs; home: string; close(): Promise<void> } | undefined> {
  const folder = path.join(dir, 'job-texts');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const lock = await lockFolder(folder, async () => '');
  if (!lock) return undefined;
  try {
    await sweepUnfinishedLocks(folder);
    const named = path.join(folder, 'name');
    const home = await homeOf(named);
    const isThere = async () => (await readFile(named, 'utf8').catch(() => '')) === home;
    return { texts: new DiskBlobs(path.join(folder, 'blobs'), isThere), home, close: () => lock.release() };
  } catch (error) {
    await lock.release();
    throw error;
  }
}

async function homeOf(file: string): Promise<string> {
  const known = await readFile(file, 'utf8').catch(() => '');
  if (/^[0-9a-f]{16}$/.test(known)) return known;
  const home = randomBytes(8).toString('hex');
  await writeFile(file, home, { mode: 0o600 });
  return home;
}
