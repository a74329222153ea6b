import type { BatchLimit } from './batch-limit.ts';
import type { Clock } from './clock.ts';
import { EmbedQLError } from './errors.ts';
import type { Places } from './places.ts';
import { FairQueue, type Queued } from './queue.ts';

/** A text that is to be sent. */
export interface Task extends Queued {
  readonly text: string;
  /** Whether nobody waits for it at this moment: all others are sent first. Default: false. */
  readonly canWait?: boolean | undefined;
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
  /** Whether the model computes on this machine, so that whatever is sent slows down what else is asked for. */
  sharesMachine?: boolean | undefined;
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

/** What a text is spared of the window that comes when nothing is under way. It stays alone, most likely. */
const sparedMs = 1;

/**
 * Clients who ask again once they are answered all travel together, and nobody is under way while they are answered. Of a
 * provider that takes not much longer than that, a batch therefore goes as soon as it has its share of all texts that are
 * under way: several go round, each while others are answered. Only under steady load, that is after so many texts without
 * a pause: a burst belongs into one batch. A provider that takes longer gets full batches.
 */
const steadyTexts = 128;
const soonMs = 100;
const share = 1 / 4;
const leastShare = 16;

/**
 * Of a model on this machine: texts that can wait are sent so many at a time, once nothing else has been asked for so long;
 * under steady load one such batch in every so many milliseconds.
 */
const patientBatchSize = 8;
const quietMs = 50;
const patientTurnMs = 500;

/**
 * Of any other model: so long after something else was asked for, texts that can wait are sent in one batch at a time, of so
 * many, with a pause behind it. What they take of this process is felt by others, whoever computes.
 */
const busyMs = 250;
const busyBatchSize = 32;
const busyPauseMs = 100;

/** Turns texts of many operations into few batches; one for each model, for the whole process. */
export class Scheduler<T extends Task> {
  readonly #options: SchedulerOptions<T>;
  readonly #queue = new FairQueue<T>();
  /** What can wait. */
  readonly #patient = new FairQueue<T>();
  #patientSoon = false;
  /** When something that cannot wait was last asked for, and when something that can was last sent. */
  #lastArrival = Number.NEGATIVE_INFINITY;
  #lastPatient = Number.NEGATIVE_INFINITY;
  /** Batches under way of what can wait. */
  #patientUnderWay = 0;
  /** A window is open: what waits will be sent when it closes. */
  #windowOpen = false;
  /** The window has closed and texts wait only for a free place at the provider. */
  #due = false;
  #arrivals = 0;
  /** Texts that were sent and have not been handed out. */
  #sent = 0;
  /** Texts that were handed out since nothing was under way. */
  #handedOut = 0;
  /** How long a batch takes, smoothed; for `retryAfterMs`. */
  #batchMs = 100;

  constructor(options: SchedulerOptions<T>) {
    this.#options = options;
    options.places.onFree(() => {
      if (this.#due) this.#dispatch();
      else this.#sendFull();
      this.#sendPatient();
    });
  }

  /** Texts that wait. */
  get depth(): number {
    return this.#queue.size + this.#patient.size;
  }

  /** Somebody who cannot wait has asked for something, in line or not. */
  touch(): void {
    this.#lastArrival = this.#options.clock.now();
  }

  /** Puts a text in line. @throws EmbedQLError OVERLOADED where the queue is full */
  submit(task: T): void {
    const queue = task.canWait ? this.#patient : this.#queue;
    if (queue.size >= this.#options.queueLimit) throw this.#overloaded();
    queue.add(task);
    if (task.canWait) this.#sendPatientSoon(0);
    else {
      this.#arrivals += 1;
      if (this.#isQuiet) this.#handedOut = 0;
      this.#arrange();
    }
  }

  /** Takes a text out of the line again. @returns false where it has been sent already */
  cancel(task: T): boolean {
    if (this.#patient.remove(task)) return true;
    return this.#queue.remove(task);
  }

  /** A text that was sent has its vector or its error, and whoever waits for it has been told. */
  handedOut(): void {
    this.#sent -= 1;
    this.#handedOut += 1;
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
      else if (this.#hasShare) queueMicrotask(() => this.#sendShare());
      return;
    }
    this.#windowOpen = true;
    const opening = this.#arrivals;
    if (windowMs === 0) clock.soon(() => this.#closeWindow());
    else {
      const spared = this.#isQuiet ? Math.min(windowMs / 2, sparedMs) : 0;
      clock.after(windowMs - spared, () => this.#prolong(opening, extensions));
    }
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
    this.#sendPatient();
  }

  #sendFull(): void {
    const { limits, places } = this.#options;
    while (places.free && this.#queue.hasFullBatch(limits.current)) this.#send();
  }

  /** Whether nothing is under way but the first text of a window. */
  get #isQuiet(): boolean {
    return this.#sent === 0 && this.#queue.size === 1;
  }

  /**
   * Whether those who wait for a batch are to be told some at a time, so that the first can ask again before the last is told:
   * then several batches can go round.
   */
  get tellsInTurns(): boolean {
    return this.#batchMs < soonMs && !this.#options.sharesMachine;
  }

  /** Whether what waits is as much as travels together under steady load. */
  get #hasShare(): boolean {
    if (this.#handedOut < steadyTexts || !this.tellsInTurns) return false;
    const waiting = this.#queue.size;
    return waiting >= Math.max(leastShare, (waiting + this.#sent) * share);
  }

  #sendShare(): void {
    if (this.#hasShare && this.#options.places.free) this.#send();
  }

  #dispatch(): void {
    while (this.#options.places.free && this.#queue.size > 0) this.#send();
    if (this.#queue.size === 0) this.#due = false;
  }

  /** What can wait goes once nothing else does, and leaves places to what may come. */
  #sendPatient(): void {
    const { places, limits } = this.#options;
    while (this.#patient.size > 0 && this.#queue.size === 0 && places.freeForPatient) {
      const turn = this.#patientTurn();
      if (!turn) return;
      if (turn.dueMs > 0) {
        this.#sendPatientSoon(turn.dueMs);
        return;
      }
      const { size, tokens } = limits.next();
      this.#lastPatient = this.#options.clock.now();
      this.#patientUnderWay += 1;
      const sent = this.#sendBatch(this.#patient.take({ size: Math.min(size, turn.size), tokens }));
      void sent.then(() => {
        this.#patientUnderWay -= 1;
        this.#lastPatient = this.#options.clock.now();
        this.#sendPatient();
      });
    }
  }

  /** Texts that come together are seen together. */
  #sendPatientSoon(ms: number): void {
    if (this.#patientSoon) return;
    this.#patientSoon = true;
    const send = () => {
      this.#patientSoon = false;
      this.#sendPatient();
    };
    if (ms > 0) this.#options.clock.after(ms, send);
    else this.#options.clock.soon(send);
  }

  /** When the next batch of what can wait is due, and how large it may be; undefined: once the one under way is back. */
  #patientTurn(): { dueMs: number; size: number } | undefined {
    const now = this.#options.clock.now();
    const idleMs = now - this.#lastArrival;
    const restedMs = now - this.#lastPatient;
    if (this.#options.sharesMachine) {
      const dueMs = Math.min(quietMs - idleMs, patientTurnMs - restedMs);
      return { dueMs, size: patientBatchSize };
    }
    if (idleMs >= busyMs) return { dueMs: 0, size: Number.POSITIVE_INFINITY };
    return this.#patientUnderWay > 0 ? undefined : { dueMs: busyPauseMs - restedMs, size: busyBatchSize };
  }

  #send(): void {
    void this.#sendBatch(this.#queue.take(this.#options.limits.next()));
  }

  #sendBatch(batch: readonly T[]): Promise<void> {
    const { clock, send } = this.#options;
    const started = clock.now();
    this.#sent += batch.length;
    return send(batch).then(() => {
      this.#batchMs += (clock.now() - started - this.#batchMs) / 8;
    });
  }
}
