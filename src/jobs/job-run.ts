import { setMaxListeners } from 'node:events';
import type { Clock } from '../core/clock.ts';
import type { NameOption } from '../core/errors.ts';
import type { Log } from '../core/surroundings.ts';
import type { JobRecord } from './job.ts';
import { jsonLines } from './lines.ts';
import { sleepUnless } from './patience.ts';
import { type TextOutcome, withSegment, writeSegment } from './results.ts';
import type { Vault } from './vault.ts';

/** Somebody else has taken the job up meanwhile, or it is gone. */
export class SupersededError extends Error {
  override readonly name = 'SupersededError';
}

/** A text of a job, and where the next one begins. */
export interface JobText {
  readonly index: number;
  readonly text: string;
  /** In bytes of the job's texts. */
  readonly end: number;
}

/** Milliseconds until what could not be written is tried again, the first time and at the most. */
const firstRetryMs = 200;
const longestRetryMs = 10_000;

/** Milliseconds between two looks whether a job was cancelled. */
const cancelPollMs = 500;

export interface JobRunOptions {
  vault: Vault;
  clock: Clock;
  log: Log;
  nameOption: NameOption;
}

/**
 * One job while it is run: its record, which is written down whenever it changes, and its texts. What the store refuses for a
 * while is tried again for as long as the job may run.
 */
export class JobRun {
  /** As it was last written down. */
  job: JobRecord;
  /** Aborts when the job is to end, is cancelled, or is no longer ours. */
  readonly signal: AbortSignal;
  readonly #stop = new AbortController();
  readonly #ending: AbortSignal;
  readonly #options: JobRunOptions;
  #isCancelled = false;
  #watching: ReturnType<typeof setInterval>;

  /** @param ending aborts when this process lets go of its jobs */
  constructor(job: JobRecord, ending: AbortSignal, options: JobRunOptions) {
    this.job = job;
    this.#options = options;
    this.#ending = ending;
    this.signal = AbortSignal.any([ending, this.#stop.signal]);
    // Every call that waits listens for it.
    setMaxListeners(0, this.signal, ending);
    this.#watching = setInterval(() => void this.#watch(), cancelPollMs);
    this.#watching.unref();
  }

  get isCancelled(): boolean {
    return this.#isCancelled;
  }

  /** Asks anew. */
  async wasCancelled(): Promise<boolean> {
    await this.#watch();
    return this.#isCancelled;
  }

  end(): void {
    clearInterval(this.#watching);
  }

  /** Never rejects. */
  async #watch(): Promise<void> {
    try {
      if (!(await this.#options.vault.records.isCancelled(this.job.id))) return;
      this.#isCancelled = true;
      this.#stop.abort();
    } catch {
      // It is asked again soon.
    }
  }

  /** Writes the record down. @throws SupersededError */
  async save(change: Partial<JobRecord>): Promise<void> {
    const changed = { ...this.job, ...change };
    await this.#whileOurs(() => this.#options.vault.records.save(changed));
    this.job = changed;
  }

  /** @throws SupersededError */
  async requireOurs(): Promise<void> {
    await this.#whileOurs(() => this.#options.vault.records.isHeld(this.job));
  }

  /**
   * Writes results of the texts that follow, then the record that counts them.
   * @param textsAt where the first text begins that is not among them. @throws SupersededError
   */
  async commit(
    outcomes: readonly TextOutcome[],
    textsAt: number,
    change: Partial<JobRecord> = {},
  ): Promise<void> {
    const { id, done, dimensions, resultBytes } = this.job;
    const segment = writeSegment(outcomes, done, dimensions, this.#options.nameOption);
    const { results } = this.#options.vault;
    // Whoever has the job by now is further, and must find what they have written.
    await this.#whileOurs(() => results.write(resultsOf(id), resultBytes, segment.bytes, this.job));
    await this.save({ ...withSegment(this.job, segment), textsAt, ...change });
  }

  /** The texts from a place on. @param from its index. @param at where it begins */
  async *texts(from: number, at: number): AsyncGenerator<JobText, void, void> {
    const { id, textBytes } = this.job;
    let index = from;
    for await (const { value, end } of jsonLines(
      this.#options.vault.texts.read(textsOf(id), at, textBytes),
    )) {
      yield { index, text: String(value), end: at + end };
      index += 1;
    }
  }

  /** The job is over. */
  async finish(
    status: 'DONE' | 'FAILED' | 'CANCELLED',
    keepMs: number,
    change: Partial<JobRecord> = {},
  ): Promise<void> {
    const now = this.#options.clock.date();
    await this.save({ status, finishedAt: now, endsAt: now + keepMs, money: undefined, ...change });
    await this.#options.vault.texts.remove(textsOf(this.job.id)).catch((error: unknown) => {
      this.#options.log.warn(
        { err: error, job: this.job.id },
        'The texts of a job could not be deleted; that is tried again',
      );
    });
  }

  /** @param write tells whether the job is still ours. @throws SupersededError where it is not */
  async #whileOurs(write: () => Promise<boolean>): Promise<void> {
    if (await this.#insist(write)) return;
    this.#stop.abort();
    throw new SupersededError();
  }

  async #insist<Result>(work: () => Promise<Result>): Promise<Result> {
    for (let waitMs = firstRetryMs; ; waitMs = Math.min(waitMs * 2, longestRetryMs)) {
      try {
        return await work();
      } catch (error) {
        // Whoever goes on with it finds it as it was.
        if (this.#ending.aborted || (this.signal.aborted && !this.#isCancelled)) throw error;
        this.#options.log.warn(
          { err: error, job: this.job.id, waitMs },
          'A job cannot be written down; it waits',
        );
        await sleepUnless(this.#options.clock, waitMs, this.#ending);
      }
    }
  }
}

export function textsOf(id: string): string {
  return `${id}.texts`;
}

export function resultsOf(id: string): string {
  return `${id}.results`;
}

/** What OpenAI's door keeps of the requests of a batch. */
export function layoutOf(id: string): string {
  return `${id}.layout`;
}

export function contentOf(fileId: string): string {
  return `${fileId}.content`;
}
