import { LRUCache } from 'lru-cache';
import type { Piece } from './chunks.ts';

/** Bytes that places of pieces may take up: some 120,000 pieces. */
const maxBytes = 8_000_000;

/** Roughly, what a piece takes up, and what an entry does beside its key and its pieces. */
const pieceBytes = 64;
const overheadBytes = 200;

/**
 * Where recent long texts were cut, so that one whose vectors are cached is not tokenised again whenever it is asked for. It
 * knows places, and no text that is long.
 */
export class SplitMemory {
  readonly #splits = new LRUCache<string, readonly Piece[]>({
    maxSize: maxBytes,
    sizeCalculation: (pieces, key) => overheadBytes + key.length + pieceBytes * pieces.length,
  });

  /** The pieces of a text; none where it is within its model's limit, undefined where that is not known. */
  get(key: string): readonly Piece[] | undefined {
    return this.#splits.get(key);
  }

  set(key: string, pieces: readonly Piece[]): void {
    this.#splits.set(key, pieces);
  }
}
