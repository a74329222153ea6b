import type { Queue, Worker } from 'bullmq';
import type { Cluster, Redis } from 'ioredis';
import { EmbedQLError } from '../core/errors.ts';
import type { Log } from '../core/surroundings.ts';
import { type Deadline, isOver } from './job.ts';
import { jobsAtOnce } from './local-crew.ts';
import type { Crew, Records, RunJob } from './vault.ts';

/** What of BullMQ's keys comes before the rest: all of them lie in one slot of a cluster. */
const prefix = '{embedql}:bull';

/**
 * Milliseconds that a job is a worker's, who says so again and again, and between two looks for jobs that are nobody's any
 * more: a job whose worker was killed goes on elsewhere after the two together at the latest.
 */
const lockMs = 8_000;
const stalledMs = 4_000;

/** Milliseconds until a job is tried again that could not go on; doubled each time, up to the longest. */
const firstRetryMs = 1_000;
const longestRetryMs = 60_000;

/** Milliseconds that a server takes no jobs after it has found out that they are not for it. */
const asideMs = 30_000;

/** Often enough for a job to be given back by every server that is restarted under it. */
const attempts = 1_000_000_000;

const deadlines = ['NOW', 'DAY'] as const;

type BullMQ = typeof import('bullmq');

export interface BullCrewOptions {
  /** A connection of its own, which waits for ever (`maxRetriesPerRequest: null`). */
  connection: Redis | Cluster;
  records: Pick<Records, 'list'>;
  /** Where the texts of jobs are that only this process can read; undefined where every replica can. */
  home: string | undefined;
  /** Rejects while jobs are not for this server, though it is running: they are left to others. */
  mayRun(): Promise<void>;
  log: Log;
}

/** Runs jobs with BullMQ: whichever replica has room takes the next. */
export class BullCrew implements Crew {
  readonly #options: BullCrewOptions;
  readonly #bullmq: BullMQ;
  readonly #queues: Readonly<Record<Deadline, Queue>>;
  readonly #workers: Worker[] = [];
  readonly #closing = new AbortController();

  private constructor(options: BullCrewOptions, bullmq: BullMQ) {
    this.#options = options;
    this.#bullmq = bullmq;
    this.#queues = { NOW: this.#queue('NOW'), DAY: this.#queue('DAY') };
  }

  /** @throws EmbedQLError where the package is not installed */
  static async create(options: BullCrewOptions): Promise<BullCrew> {
    let bullmq: BullMQ;
    try {
      bullmq = await import('bullmq');
    } catch (cause) {
      throw new EmbedQLError(
        'BAD_USER_INPUT',
        'Jobs with Redis require a package that is not installed: run "npm i bullmq@6" where EmbedQL is started, and start it again.',
        { cause },
      );
    }
    return new BullCrew(options, bullmq);
  }

  async start(run: RunJob): Promise<void> {
    const { connection, records, home } = this.#options;
    for (const deadline of deadlines) {
      const worker = new this.#bullmq.Worker(
        this.#nameOf(deadline),
        async ({ data }: { data: { id: string } }) => {
          await this.#options.mayRun().catch((error: unknown) => this.#standAside(error));
          await run(data.id, this.#closing.signal);
          // Another replica goes on with it.
          if (this.#closing.signal.aborted) throw new Error('this server is stopping');
        },
        {
          connection,
          prefix,
          concurrency: jobsAtOnce[deadline],
          lockDuration: lockMs,
          stalledInterval: stalledMs,
          maxStalledCount: attempts,
          settings: {
            backoffStrategy: (made: number) =>
              Math.min(longestRetryMs, firstRetryMs * 2 ** Math.min(made - 1, 10)),
          },
        },
      );
      this.#listen(worker);
      worker.on('failed', (job, error) => {
        if (this.#closing.signal.aborted) return;
        const { message } = error;
        this.#options.log.warn({ job: job?.id, message }, 'A job could not go on; it is tried again');
      });
      this.#workers.push(worker);
    }
    // What was taken when nobody could put it in line.
    for (const job of await records.list('jobs', undefined, Number.MAX_SAFE_INTEGER))
      if (!isOver(job) && job.home === home) await this.add(job);
  }

  async add({ id, deadline }: { readonly id: string; readonly deadline: Deadline }): Promise<void> {
    await this.#queues[deadline].add(
      'job',
      { id },
      { jobId: id, attempts, backoff: { type: 'custom' }, removeOnComplete: true, removeOnFail: true },
    );
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all(this.#workers.map((worker) => worker.close()));
    await Promise.all(Object.values(this.#queues).map((queue) => queue.close()));
  }

  /** @throws (rejects) the error */
  async #standAside(error: unknown): Promise<never> {
    if (error instanceof EmbedQLError)
      for (const worker of this.#workers) {
        if (worker.isPaused()) continue;
        // It must not wait for jobs that are running, this one among them.
        await worker.pause(true);
        setTimeout(() => {
          if (!this.#closing.signal.aborted) worker.resume();
        }, asideMs).unref();
      }
    throw error;
  }

  #queue(deadline: Deadline): Queue {
    const queue = new this.#bullmq.Queue(this.#nameOf(deadline), {
      connection: this.#options.connection,
      prefix,
    });
    this.#listen(queue);
    return queue;
  }

  /** Jobs whose texts are here alone have a line of their own, which nobody else works on. */
  #nameOf(deadline: Deadline): string {
    return `${deadline.toLowerCase()}-${this.#options.home ?? 'all'}`;
  }

  /** What Redis refuses is tried again by BullMQ; that it is away is told by the cache. */
  #listen(emitter: { on(event: 'error', listener: (error: Error) => void): unknown }): void {
    emitter.on('error', (error) => this.#options.log.debug({ err: error }, 'jobs: BullMQ'));
  }
}
