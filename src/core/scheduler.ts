import { EmbedQLError } from './errors.ts';
import { type BatchLimits, FairQueue, type Queued } from './queue.ts';
import type { Started } from './single-flight.ts';

/** A text that wants to be sent. */
export interface Task extends Queued {
  readonly text: string;
}

export interface SchedulerOptions<T extends Task, Value> {
  /** For error messages. */
  model: string;
  limits: BatchLimits;
  /** Milliseconds that a text may be held to fill a batch; 0 sends at the end of the tick. */
  windowMs: number;
  /** Batches in flight at the same time. */
  concurrency(): number;
  /** Texts that may wait; one more is refused. */
  queueLimit: number;
  /** Sends one batch. The outcomes are in the order of `batch`; it must not reject. */
  send(batch: readonly T[]): Promise<Array<Value | Error>>;
}

interface Entry<T extends Task, Value> extends Queued {
  task: T;
  resolve(value: Value): void;
  reject(error: Error): void;
}

/**
 * How often, and by how many milliseconds, a window is prolonged while each time new texts have come in: requests
 * that were sent together do not arrive in the same instant, and belong into the same batch. A text that comes
 * alone is never held for longer than the window.
 */
const extensions = 16;
const extensionMs = 1;

/** Turns texts of many operations into few batches; one for each model, for the whole process. */
export class Scheduler<T extends Task, Value> {
  readonly #options: SchedulerOptions<T, Value>;
  readonly #queue = new FairQueue<Entry<T, Value>>();
  #inFlight = 0;
  /** A window is open: what waits will be sent when it closes. */
  #windowOpen = false;
  /** The window has closed and texts wait only for a free place at the provider. */
  #due = false;
  #arrivals = 0;
  /** How long a batch takes, smoothed; for `retryAfterMs`. */
  #batchMs = 100;

  constructor(options: SchedulerOptions<T, Value>) {
    this.#options = options;
  }

  /** Texts that wait. */
  get depth(): number {
    return this.#queue.size;
  }

  /** Puts a text in line. `cancel` takes it out again while it has not been sent. */
  submit(task: T): Started<Value> {
    if (this.#queue.size >= this.#options.queueLimit) {
      return { result: Promise.reject(this.#overloaded()), cancel: () => true };
    }
    let entry: Entry<T, Value>;
    const result = new Promise<Value>((resolve, reject) => {
      const { group, maxBatchSize, maxTokens } = task;
      entry = { task, group, maxBatchSize, maxTokens, resolve, reject };
    });
    this.#queue.add(entry!);
    this.#arrivals += 1;
    this.#arrange();
    return {
      result,
      cancel: () => {
        const waiting = this.#queue.remove(entry);
        if (waiting) entry.reject(new Error('cancelled before it was sent'));
        return waiting;
      },
    };
  }

  #overloaded(): EmbedQLError {
    const batches = Math.ceil(this.#queue.size / this.#options.limits.size);
    const retryAfterMs = Math.ceil((batches / Math.max(1, this.#options.concurrency())) * this.#batchMs);
    return new EmbedQLError(
      'OVERLOADED',
      `Too many texts are waiting for ${this.#options.model}; try again in ${retryAfterMs} ms or raise queueLimit.`,
      { hint: 'queueLimit', retryable: true, retryAfterMs },
    );
  }

  #arrange(): void {
    if (this.#due) return;
    if (this.#windowOpen) {
      // A full batch gains nothing by waiting. Sent in a microtask, so that those of the same moment
      // who come after are seen before places are given out.
      if (this.#queue.hasFullBatch(this.#options.limits)) queueMicrotask(() => this.#sendFull());
      return;
    }
    this.#windowOpen = true;
    const opening = this.#arrivals;
    const { windowMs } = this.#options;
    if (windowMs === 0) setImmediate(() => this.#closeWindow());
    else setTimeout(() => this.#prolong(opening, extensions), windowMs);
  }

  /** The window is over; wait on only while more texts keep coming in. */
  #prolong(seen: number, left: number): void {
    // After what has reached the machine already has been read.
    setImmediate(() => {
      const arrivals = this.#arrivals;
      if (left === 0 || arrivals === seen) this.#closeWindow();
      else setTimeout(() => this.#prolong(arrivals, left - 1), extensionMs);
    });
  }

  #closeWindow(): void {
    this.#windowOpen = false;
    this.#due = true;
    this.#dispatch();
  }

  #sendFull(): void {
    const { limits } = this.#options;
    while (this.#hasFreePlace() && this.#queue.hasFullBatch(limits)) this.#send(this.#queue.take(limits));
  }

  #dispatch(): void {
    while (this.#hasFreePlace() && this.#queue.size > 0) this.#send(this.#queue.take(this.#options.limits));
    if (this.#queue.size === 0) this.#due = false;
  }

  #hasFreePlace(): boolean {
    return this.#inFlight < this.#options.concurrency();
  }

  #send(batch: Entry<T, Value>[]): void {
    this.#inFlight += 1;
    const started = performance.now();
    this.#options.send(batch.map((entry) => entry.task)).then((outcomes) => {
      this.#inFlight -= 1;
      this.#batchMs += (performance.now() - started - this.#batchMs) / 8;
      batch.forEach((entry, i) => {
        const outcome = outcomes[i]!;
        if (outcome instanceof Error) entry.reject(outcome);
        else entry.resolve(outcome);
      });
      if (this.#due) this.#dispatch();
      else this.#sendFull();
    });
  }
}
