import type { Clock, Timer } from '../../src/core/clock.ts';

/** A generator of numbers from 0 to 1 that gives the same for the same seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

interface Appointment {
  at: number;
  order: number;
  work: (() => void) | undefined;
}

/** Time that stands still until it is told to go on: hours pass in milliseconds, and the same way for the same seed. */
export class VirtualTime implements Clock {
  readonly random: () => number;
  /** Appointments kept so far. */
  events = 0;
  readonly #heap: Appointment[] = [];
  #now = 0;
  #order = 0;

  constructor(seed = 1) {
    this.random = seeded(seed);
  }

  now(): number {
    return this.#now;
  }

  date(): number {
    return 1_800_000_000_000 + this.#now;
  }

  after(ms: number, work: () => void): Timer {
    const appointment = { at: this.#now + Math.max(0, ms), order: this.#order++, work } as Appointment;
    push(this.#heap, appointment);
    return {
      cancel: () => {
        appointment.work = undefined;
      },
    };
  }

  soon(work: () => void): void {
    this.after(0, work);
  }

  /** Lets everything happen that is due until `ms` from now, in order; promises are settled in between. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await settled();
    while (this.#heap.length > 0 && this.#heap[0]!.at <= end) {
      await this.#next();
    }
    this.#now = end;
  }

  /** Lets everything happen until nothing is left to wait for. @returns false where that takes longer than `limitMs` */
  async drain(limitMs = 3_600_000): Promise<boolean> {
    const end = this.#now + limitMs;
    await settled();
    while (this.#heap.length > 0) {
      if (this.#heap[0]!.at > end) return false;
      await this.#next();
    }
    return true;
  }

  async #next(): Promise<void> {
    const { at, work } = pop(this.#heap);
    if (!work) return;
    this.#now = Math.max(this.#now, at);
    this.events += 1;
    work();
    await settled();
  }
}

/** Resolves once no promise can settle any further without time going on. */
function settled(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}

function isBefore(a: Appointment, b: Appointment): boolean {
  return a.at === b.at ? a.order < b.order : a.at < b.at;
}

function push(heap: Appointment[], item: Appointment): void {
  let i = heap.push(item) - 1;
  while (i > 0) {
    const parent = (i - 1) >> 1;
    if (!isBefore(heap[i]!, heap[parent]!)) break;
    [heap[i], heap[parent]] = [heap[parent]!, heap[i]!];
    i = parent;
  }
}

function pop(heap: Appointment[]): Appointment {
  const first = heap[0]!;
  const last = heap.pop()!;
  if (heap.length === 0) return first;
  heap[0] = last;
  for (let i = 0; ; ) {
    const [left, right] = [2 * i + 1, 2 * i + 2];
    let least = i;
    if (left < heap.length && isBefore(heap[left]!, heap[least]!)) least = left;
    if (right < heap.length && isBefore(heap[right]!, heap[least]!)) least = right;
    if (least === i) return first;
    [heap[i], heap[least]] = [heap[least]!, heap[i]!];
    i = least;
  }
}
