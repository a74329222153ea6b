import { randomBytes } from 'node:crypto';
import { type FileHandle, mkdir, open, unlink } from 'node:fs/promises';
import path from 'node:path';
import { vectorFromBytes, vectorToBytes } from '../core/vectors.ts';

/** What has come back for a text. */
export interface Spooled {
  readonly vector: Float32Array;
  /** Undefined where the provider did not say. */
  readonly tokens: number | undefined;
  readonly truncated: boolean;
}

interface Place {
  readonly at: number;
  readonly bytes: number;
  readonly tokens: number | undefined;
  readonly truncated: boolean;
}

/** Bytes that are gathered before they are written. */
const pieceBytes = 1_048_576;

/**
 * Vectors on the disk, by the indexes of their texts, for as long as this process needs them: what a batch brings, out of
 * order and too much for the memory. The file has no name, so that nothing of it is left however the process ends.
 */
export class Spool {
  readonly #file: FileHandle;
  readonly #places = new Map<number, Place>();
  #parts: Buffer[] = [];
  #waiting = 0;
  #written = 0;

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  /** @param folder made where it is not there */
  static async create(folder: string): Promise<Spool> {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const name = path.join(folder, `embedql-${randomBytes(8).toString('hex')}.spool`);
    const file = await open(name, 'wx+', 0o600);
    await unlink(name).catch(() => {});
    return new Spool(file);
  }

  get size(): number {
    return this.#places.size;
  }

  has(index: number): boolean {
    return this.#places.has(index);
  }

  indexes(): number[] {
    return [...this.#places.keys()];
  }

  /** What the provider said of a text that is there. */
  tokensOf(index: number): number | undefined {
    return this.#places.get(index)?.tokens;
  }

  /** One call at a time. What is there already stays. @returns whether it is new */
  async add(index: number, { vector, tokens, truncated }: Spooled): Promise<boolean> {
    if (this.#places.has(index)) return false;
    const bytes = Buffer.from(vectorToBytes(vector));
    this.#places.set(index, { at: this.#written + this.#waiting, bytes: bytes.length, tokens, truncated });
    this.#parts.push(bytes);
    this.#waiting += bytes.length;
    if (this.#waiting >= pieceBytes) await this.flush();
    return true;
  }

  /** Before anything is read. */
  async flush(): Promise<void> {
    const bytes = Buffer.concat(this.#parts);
    this.#parts = [];
    for (let at = 0; at < bytes.length; ) {
      const { bytesWritten } = await this.#file.write(bytes, at, bytes.length - at, this.#written + at);
      at += bytesWritten;
    }
    this.#written += bytes.length;
    this.#waiting = 0;
  }

  async get(index: number): Promise<Spooled | undefined> {
    const place = this.#places.get(index);
    if (!place) return undefined;
    const bytes = Buffer.alloc(place.bytes);
    for (let read = 0; read < bytes.length; ) {
      const { bytesRead } = await this.#file.read(bytes, read, bytes.length - read, place.at + read);
      if (bytesRead === 0) throw new Error('a spool is shorter than it was');
      read += bytesRead;
    }
    return { vector: vectorFromBytes(bytes), tokens: place.tokens, truncated: place.truncated };
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}
