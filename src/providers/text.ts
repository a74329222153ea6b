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

/**
 * The shortest start of `text` that is enough, found by doubling from `firstChars`; the whole text where
 * nothing less is. Never splits a surrogate pair.
 */
export function growUntil(text: string, firstChars: number, isEnough: (start: string) => boolean): string {
  for (let chars = firstChars; chars < text.length; chars *= 2) {
    const start = sliceWhole(text, chars);
    if (isEnough(start)) return start;
  }
  return text;
}

/** The first `chars` UTF-16 units, one less where that would cut a character in two. */
export function sliceWhole(text: string, chars: number): string {
  const last = text.charCodeAt(chars - 1);
  const isHighSurrogate = last >= 0xd800 && last <= 0xdbff;
  return text.slice(0, isHighSurrogate ? chars - 1 : chars);
}
