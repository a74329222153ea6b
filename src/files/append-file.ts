import { type FileHandle, open, rename, stat } from 'node:fs/promises';

/** A file that grows at its end, and is read anywhere. Only its owner may read it. */
export class AppendFile {
  readonly #handle: FileHandle;
  readonly #inode: bigint;
  #path: string;
  #size: number;
  #isDirty = false;
  #isClosed = false;

  private constructor(path: string, handle: FileHandle, inode: bigint, size: number) {
    this.#path = path;
    this.#handle = handle;
    this.#inode = inode;
    this.#size = size;
  }

  /** Begins a new one. @throws Error of the system, such as EEXIST */
  static create(path: string): Promise<AppendFile> {
    return AppendFile.#open(path, 'wx+');
  }

  /** Opens one for reading alone. @throws Error of the system */
  static openToRead(path: string): Promise<AppendFile> {
    return AppendFile.#open(path, 'r');
  }

  static async #open(path: string, flags: string): Promise<AppendFile> {
    const handle = await open(path, flags, 0o600);
    try {
      const { ino, size } = await handle.stat({ bigint: true });
      return new AppendFile(path, handle, ino, Number(size));
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  get path(): string {
    return this.#path;
  }

  /** Bytes that have been written whole. */
  get size(): number {
    return this.#size;
  }

  /**
   * Writes at the end. One call at a time. Where it fails nothing counts as written, and the next call writes over what
   * came of this one.
   * @returns where the bytes begin. @throws Error of the system, such as ENOSPC
   */
  async append(bytes: Buffer): Promise<number> {
    const begin = this.#size;
    for (let written = 0; written < bytes.length; ) {
      const { bytesWritten } = await this.#handle.write(
        bytes,
        written,
        bytes.length - written,
        begin + written,
      );
      written += bytesWritten;
    }
    this.#size = begin + bytes.length;
    this.#isDirty = true;
    return begin;
  }

  /** Up to `length` bytes from `position`; fewer where the file ends. @throws Error of the system, such as EIO */
  async read(position: number, length: number): Promise<Buffer> {
    const bytes = Buffer.allocUnsafe(length);
    let read = 0;
    while (read < length) {
      const { bytesRead } = await this.#handle.read(bytes, read, length - read, position + read);
      if (bytesRead === 0) break;
      read += bytesRead;
    }
    return bytes.subarray(0, read);
  }

  /** Makes what has been written outlive the machine. @throws Error of the system */
  async sync(): Promise<void> {
    if (!this.#isDirty) return;
    this.#isDirty = false;
    await this.#handle.datasync().catch((error: unknown) => {
      if (!this.#isClosed) throw error;
    });
  }

  /** Whether the file is still where it was made, rather than deleted, or replaced by another. */
  async isInPlace(): Promise<boolean> {
    const found = await stat(this.path, { bigint: true }).catch(() => undefined);
    return found?.ino === this.#inode;
  }

  /** Gives it another name, in place of the file that has it. @throws Error of the system */
  async moveTo(path: string): Promise<void> {
    await rename(this.#path, path);
    this.#path = path;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#handle.close().catch(() => {});
  }
}
