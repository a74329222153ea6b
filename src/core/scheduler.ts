import type { BatchLimit } from './batch-limit.ts';
import type { Clock } from './clock.ts';
import { EmbedQLError } from './errors.ts';
import type { Places } from './places.ts';
import { FairQueue, type Queued } from './queue.ts';

/** A text that is to be sent. */
export interface Task extends Queued {
  readonly text: string;
}

export interface SchedulerOptions<T extends Task> {
  /** For error messages. */
  model: string;
  /** What one batch may carry. */
  limits: BatchLimit;
  /** Milliseconds that a text may be held to fill a batch; 0 sends at the end of the tick. */
  windowMs: number;
  /** Calls that may be in flight. Batches are taken out of the queue only while one more may be. */
  places: Places;
  /** Texts that may wait; one more is refused. */
  queueLimit: number;
  clock: Clock;
  /** Sends one batch; takes its place before it returns. Must not reject. */
  send(batch: readonly T[]): Promise<void>;
}

/**
 * How often, and by how many milliseconds, a window is prolonged while each time new texts have come in: requests
 * that were sent together do not arrive in the same instant, and belong into the same batch. A text that comes
 * alone is never held for longer than the window.
 */
const extensions = 16;
const extensionMs = 1;

/** Turns texts of many operations into few batches; one for each model, for the whole process. */
export class Scheduler<T extends Task> {
  readonly #options: SchedulerOptions<T>;
  readonly #queue = new FairQueue<T>();
  /** A window is open: what waits will be sent when it closes. */
  #windowOpen = false;
  /** The window has closed and texts wait only for a free place at the provider. */
  #due = false;
  #arrivals = 0;
  /** How long a batch takes, smoothed; for `retryAfterMs`. */
  #batchMs = 100;

  constructor(options: SchedulerOptions<T>) {
    this.#options = options;
    options.places.onFree(() => (this.#due ? this.#dispatch() : this.#sendFull()));
  }

  /** Texts that wait. */
  get depth(): number {
    return this.#queue.size;
  }

  /** Puts a text in line. @throws EmbedQLError OVERLOADED where the queue is full */
  submit(task: T): void {
    if (this.#queue.size >= this.#options.queueLimit) throw this.#overloaded();
    this.#queue.add(task);
    this.#arrivals += 1;
    this.#arrange();
  }

  /** Takes a text out of the line again. @returns false where it has been sent already */
  cancel(task: T): boolean {
    return this.#queue.remove(task);
  }

  #overloaded(): EmbedQLError {
    const { model, places } = this.#options;
    const batches = Math.ceil(this.#queue.size / this.#options.limits.current.size);
    const retryAfterMs = Math.ceil((batches / Math.max(1, places.limit)) * this.#batchMs);
    return new EmbedQLError(
      'OVERLOADED',
      `Too many texts are waiting for ${model}; try again in ${retryAfterMs} ms or raise queueLimit.`,
      { hint: 'queueLimit', retryable: true, retryAfterMs },
    );
  }

  #arrange(): void {
    if (this.#due) return;
    const { clock, windowMs } = this.#options;
    if (this.#windowOpen) {
      // A full batch gains nothing by waiting. Sent in a microtask, so that those of the same moment
      // who come after are seen before places are given out.
      if (this.#queue.hasFullBatch(this.#options.limits.current)) queueMicrotask(() => this.#sendFull());
      return;
    }
    this.#windowOpen = true;
    const opening = this.#arrivals;
    if (windowMs === 0) clock.soon(() => this.#closeWindow());
    else clock.after(windowMs, () => this.#prolong(opening, extensions));
  }

  /** The window is over; wait on only while more texts keep coming in. */
  #prolong(seen: number, left: number): void {
    const { clock } = this.#options;
    // Pending socket reads first: what they bring belongs to the same burst.
    clock.soon(() => {
      const arrivals = this.#arrivals;
      if (left === 0 || arrivals === seen) this.#closeWindow();
      else clock.after(extensionMs, () => this.#prolong(arrivals, left - 1));
    });
  }

  #closeWindow(): void {
    this.#windowOpen = false;
    this.#due = true;
    this.#dispatch();
  }

  #sendFull(): void {
    const { limits, places } = this.#options;
    while (places.free && this.#queue.hasFullBatch(limits.current)) this.#send();
  }

  #dispatch(): void {
    while (this.#options.places.free && this.#queue.size > 0) this.#send();
    if (this.#queue.size === 0) this.#due = false;
  }

  #send(): void {
    const { clock, limits, send } = this.#options;
    const started = clock.now();
    const sending = send(this.#queue.take(limits.next()));
    void sending.then(() => {
      this.#batchMs += (clock.now() - started - this.#batchMs) / 8;
    });
  }
}
