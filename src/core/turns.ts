/** Milliseconds of work of this kind in one turn of the event loop, whoever does it. */
const sliceMs = 4;

/** When the work of this turn of the event loop began; undefined while there has been none. */
let began: number | undefined;
/** Those whose work goes on in a later turn, one in each, in the order in which they came. */
const waiting: Array<() => void> = [];
let isScheduled = false;

function nextTurn(): void {
  isScheduled = false;
  began = undefined;
  waiting.shift()?.();
  if (waiting.length > 0) schedule();
}

function schedule(): void {
  if (isScheduled) return;
  isScheduled = true;
  setImmediate(nextTurn);
}

/**
 * Long work in small steps, between which others get a turn. All that is done with it shares the time: a hundred long texts at
 * once hold the event loop no longer than one.
 */
export class Turns {
  /**
   * Call it after each step.
   * @returns what to wait for where it is the others' turn
   *
   * @example
   * const others = turns.next();
   * if (others) await others;
   */
  next(): Promise<void> | undefined {
    const now = performance.now();
    if (began === undefined) {
      began = now;
      schedule();
    }
    return now - began < sliceMs ? undefined : ownTurn();
  }
}

/**
 * A turn of the event loop for a piece of work that takes tens of milliseconds, such as to read a document of a megabyte.
 * No two callers get the same one, so that pieces that come together do not add up; everybody else's work comes in between.
 */
export function ownTurn(): Promise<void> {
  schedule();
  return new Promise((resolve) => waiting.push(resolve));
}
