import { setImmediate as nextTurn } from 'node:timers/promises';

/** Milliseconds of work after which others get a turn. */
const sliceMs = 4;

/** Long work in small steps, between which others get a turn. */
export class Turns {
  #since = performance.now();

  /**
   * Call it after each step.
   * @returns what to wait for where it is the others' turn
   *
   * @example
   * const others = turns.next();
   * if (others) await others;
   */
  next(): Promise<void> | undefined {
    return performance.now() - this.#since < sliceMs ? undefined : this.#othersFirst();
  }

  async #othersFirst(): Promise<void> {
    await nextTurn();
    this.#since = performance.now();
  }
}

let last: Promise<void> = Promise.resolve();

/**
 * A turn of the event loop for a piece of work that takes tens of milliseconds, such as to read a document of a megabyte.
 * No two callers get the same one, so that pieces that come together do not add up; everybody else's work comes in between.
 */
export function ownTurn(): Promise<void> {
  last = last.then(() => nextTurn());
  return last;
}
