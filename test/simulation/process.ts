import type { Clock, Timer } from '../../src/core/clock.ts';
import type { VirtualTime } from '../support/virtual-time.ts';

/** A process of the simulated world: it can be stopped and go on, or be killed, and knows time only while it runs. */
export class SimProcess implements Clock {
  readonly name: string;
  readonly #time: VirtualTime;
  #state: 'running' | 'stopped' | 'dead' = 'running';
  #stoppedUntil = Number.NEGATIVE_INFINITY;
  #timers: Array<() => void> = [];
  #arrivals: Array<() => void> = [];

  constructor(name: string, time: VirtualTime) {
    this.name = name;
    this.#time = time;
  }

  get dead(): boolean {
    return this.#state === 'dead';
  }

  /** Whether it has been running all the time since then. */
  ranSince(moment: number): boolean {
    return this.#state === 'running' && this.#stoppedUntil < moment;
  }

  now(): number {
    return this.#time.now();
  }

  date(): number {
    return this.#time.date();
  }

  random(): number {
    return this.#time.random();
  }

  after(ms: number, work: () => void): Timer {
    let cancelled = false;
    const run = () => {
      if (!cancelled) work();
    };
    const timer = this.#time.after(ms, () => {
      if (this.#state === 'running') run();
      else if (this.#state === 'stopped') this.#timers.push(run);
    });
    return {
      cancel() {
        cancelled = true;
        timer.cancel();
      },
    };
  }

  soon(work: () => void): void {
    this.after(0, work);
  }

  /** Something reaches it from outside, after `ms`. */
  receive(ms: number, work: () => void): void {
    this.#time.after(ms, () => {
      if (this.#state === 'running') work();
      else if (this.#state === 'stopped') this.#arrivals.push(work);
    });
  }

  stop(): void {
    if (this.#state === 'running') this.#state = 'stopped';
  }

  /** As an event loop that was held up: first what was due, then what has arrived. */
  resume(): void {
    if (this.#state !== 'stopped') return;
    this.#state = 'running';
    this.#stoppedUntil = this.#time.now();
    for (const work of [...this.#timers.splice(0), ...this.#arrivals.splice(0)]) this.receive(0, work);
  }

  kill(): void {
    this.#state = 'dead';
    this.#timers = [];
    this.#arrivals = [];
  }
}
