import type { StoredVector } from '../codec.ts';

/**
 * Bytes that are written at a time: few, so that others get their turn, unless many wait; a busy event loop has few turns. And
 * bytes that may wait: a slow disk must not fill our memory.
 */
const [leastBatchBytes, mostBatchBytes] = [262_144, 4_194_304];
const maxPendingBytes = 64_000_000;

/** Vectors that wait to be written, the oldest first; until they are, they are read here. */
export class PendingVectors {
  readonly #byKey = new Map<string, StoredVector>();
  #bytes = 0;

  get size(): number {
    return this.#byKey.size;
  }

  has(key: string): boolean {
    return this.#byKey.has(key);
  }

  get(key: string): StoredVector | undefined {
    return this.#byKey.get(key);
  }

  /** @returns whether there was room for it */
  add(key: string, value: StoredVector): boolean {
    const bytes = value.vector.byteLength;
    if (this.#bytes + bytes > maxPendingBytes) return false;
    this.#bytes += bytes - (this.#byKey.get(key)?.vector.byteLength ?? 0);
    this.#byKey.set(key, value);
    return true;
  }

  /** Those to be written next; they stay until they are `done`. */
  next(): Array<[key: string, value: StoredVector]> {
    const values: Array<[key: string, value: StoredVector]> = [];
    const enough = Math.min(Math.max(this.#bytes / 8, leastBatchBytes), mostBatchBytes);
    let bytes = 0;
    for (const entry of this.#byKey) {
      values.push(entry);
      bytes += entry[1].vector.byteLength;
      if (bytes >= enough) break;
    }
    return values;
  }

  /** They need not wait any more, unless one was set again meanwhile. */
  done(values: ReadonlyArray<readonly [key: string, value: StoredVector]>): void {
    for (const [key, value] of values) {
      if (this.#byKey.get(key) !== value) continue;
      this.#byKey.delete(key);
      this.#bytes -= value.vector.byteLength;
    }
  }
}
