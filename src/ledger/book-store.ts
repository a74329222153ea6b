import type { Row, RowName, Totals } from './row.ts';

/** The books of one day, over all processes that have written to them. */
export interface Book {
  readonly rows: ReadonlyArray<{ readonly name: RowName; readonly totals: Totals }>;
  /** Seconds of which processes that died can have taken figures with them. */
  readonly lostSeconds: number;
  /** Whether something that had been written is damaged. */
  readonly isDamaged: boolean;
}

/**
 * Where books outlive the process. Each process writes what its rows of a day come to in all, never what has been added, so
 * that writing again after an answer was lost changes nothing.
 */
export interface BookStore {
  /** Whether what has been written may go. */
  readonly isLossy: boolean;
  /** Milliseconds after which everything is written again, because the store may have gone back to an older state. */
  readonly repeatMs?: number;
  /**
   * Writes rows of a day, and that the process lives.
   * @param isAll whether these are all rows of the day
   * @returns false where the store has forgotten what this process had written: all rows are asked for
   * @throws (rejects) where it could not be written, or nobody knows
   */
  write(day: string, rows: readonly Row[], isAll: boolean): Promise<boolean>;
  /** The process writes no more to a day: what it had is all there. */
  finish(day: string): Promise<void>;
  /** The books of days, in their order. Gives up where the store does not answer. */
  read(days: readonly string[]): AsyncIterable<Book>;
  close(): Promise<void>;
}

/** Milliseconds within which a process says that it lives, and after which one that said nothing has died. */
export const beatMs = 5_000;
export const silenceMs = 15_000;
