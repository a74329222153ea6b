import { type FileHandle, mkdir, open, readdir, stat, unlink } from 'node:fs/promises';
import path from 'node:path';
import { bytesGone } from './store-errors.ts';
import type { Blobs } from './vault.ts';

/** Bytes that are read at a time. */
const pieceBytes = 262_144;

const nameForm = /^[\w-][\w.-]{0,199}$/;

/** Blobs as files of a folder. Only the owner of the process may read them. */
export class DiskBlobs implements Blobs {
  readonly #folder: string;
  readonly #isThere: () => Promise<boolean>;

  /**
   * @param folder made where it is not there
   * @param isThere whether what the folder lies in is what it was at the start; a disk may be away for a while. Never rejects
   */
  constructor(folder: string, isThere: () => Promise<boolean> = async () => true) {
    this.#folder = folder;
    this.#isThere = isThere;
  }

  /** Nobody else writes to this folder: always true. */
  async write(name: string, at: number, bytes: Buffer): Promise<boolean> {
    const file = await this.#openToWrite(this.#path(name));
    try {
      for (let written = 0; written < bytes.length; ) {
        const { bytesWritten } = await file.write(bytes, written, bytes.length - written, at + written);
        written += bytesWritten;
      }
      await file.datasync();
      return true;
    } finally {
      await file.close();
    }
  }

  async *read(name: string, from: number, to: number): AsyncGenerator<Buffer, void, void> {
    if (to <= from) return;
    const file = await this.#openToRead(this.#path(name));
    try {
      for (let at = from; at < to; ) {
        const bytes = Buffer.allocUnsafe(Math.min(pieceBytes, to - at));
        const { bytesRead } = await file.read(bytes, 0, bytes.length, at);
        if (bytesRead === 0) throw bytesGone();
        at += bytesRead;
        yield bytes.subarray(0, bytesRead);
      }
    } finally {
      await file.close();
    }
  }

  async remove(name: string): Promise<void> {
    await unlink(this.#path(name)).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
    });
  }

  /** Bytes on the disk. */
  async bytes(): Promise<number> {
    let sum = 0;
    for (const name of await this.#names())
      sum += (await stat(this.#path(name)).catch(() => ({ size: 0 }))).size;
    return sum;
  }

  /** Removes what nobody knows and nobody has written to for so long. @param isKnown by its name */
  async sweep(isKnown: (name: string) => boolean, idleMs: number): Promise<void> {
    for (const name of await this.#names()) {
      if (isKnown(name)) continue;
      const { mtimeMs } = await stat(this.#path(name)).catch(() => ({ mtimeMs: Date.now() }));
      if (Date.now() - mtimeMs > idleMs) await this.remove(name);
    }
  }

  async #names(): Promise<string[]> {
    const names = await readdir(this.#folder).catch(() => []);
    return names.filter((name) => nameForm.test(name));
  }

  /** @throws (rejects) LostError only where the folder is there and the file is not */
  async #openToRead(file: string): Promise<FileHandle> {
    const first = await open(file, 'r').catch((error: NodeJS.ErrnoException) => error);
    if (!(first instanceof Error)) return first;
    const isHere = first.code === 'ENOENT' && (await this.#isThere()) && (await isFolder(this.#folder));
    if (!isHere) throw first;
    // It may have come back between the two looks.
    return open(file, 'r').catch((error: NodeJS.ErrnoException) => {
      throw error.code === 'ENOENT' ? bytesGone() : error;
    });
  }

  async #openToWrite(file: string): Promise<FileHandle> {
    try {
      return await open(file, 'r+', 0o600);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      // What is written to another folder in its place would be missing from the one that comes back.
      if (!(await this.#isThere())) throw error;
    }
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    return open(file, 'wx', 0o600);
  }

  #path(name: string): string {
    // Names are made here; one from outside would lead anywhere.
    if (!nameForm.test(name)) throw new Error('not the name of a blob');
    return path.join(this.#folder, name);
  }
}

function isFolder(folder: string): Promise<boolean> {
  return stat(folder).then(
    (found) => found.isDirectory(),
    () => false,
  );
}
