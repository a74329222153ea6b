import { type Clock, systemClock } from '../core/clock.ts';
import type { Log } from '../core/surroundings.ts';
import { type Deadline, isOver } from './job.ts';
import type { Crew, Records, RunJob } from './vault.ts';

/** Jobs that are run at the same time: those that wait for a provider's batch hardly do anything. */
export const jobsAtOnce: Readonly<Record<Deadline, number>> = { NOW: 2, DAY: 50 };

/** Milliseconds after which a job that could not be run is tried again; doubled each time, up to the longest. */
const firstRetryMs = 1_000;
const longestRetryMs = 60_000;

/** Records that are looked through at the start. */
const mostJobs = 100_000;

interface Waiting {
  readonly id: string;
  readonly deadline: Deadline;
  failures: number;
}

/** Runs jobs in this process, in the order in which they came. */
export class LocalCrew implements Crew {
  readonly #records: Pick<Records, 'list'>;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #waiting: Record<Deadline, Waiting[]> = { NOW: [], DAY: [] };
  readonly #running = new Map<string, { deadline: Deadline; stop: AbortController; done: Promise<void> }>();
  readonly #known = new Set<string>();
  #run: RunJob | undefined;
  #isClosed = false;

  constructor(records: Pick<Records, 'list'>, log: Log, clock: Clock = systemClock) {
    this.#records = records;
    this.#log = log;
    this.#clock = clock;
  }

  async start(run: RunJob): Promise<void> {
    this.#run = run;
    const jobs = await this.#records.list('jobs', undefined, mostJobs);
    for (const job of jobs.toReversed()) if (!isOver(job)) await this.add(job);
  }

  async add({ id, deadline }: { id: string; deadline: Deadline }): Promise<void> {
    if (this.#known.has(id)) return;
    this.#known.add(id);
    this.#waiting[deadline].push({ id, deadline, failures: 0 });
    this.#next(deadline);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const running = [...this.#running.values()];
    for (const { stop } of running) stop.abort();
    await Promise.all(running.map(({ done }) => done));
  }

  #next(deadline: Deadline): void {
    const run = this.#run;
    while (run && !this.#isClosed && this.#waiting[deadline].length > 0) {
      let running = 0;
      for (const job of this.#running.values()) if (job.deadline === deadline) running += 1;
      if (running >= jobsAtOnce[deadline]) return;
      this.#begin(run, this.#waiting[deadline].shift()!);
    }
  }

  #begin(run: RunJob, job: Waiting): void {
    const { id, deadline } = job;
    const stop = new AbortController();
    const done = run(id, stop.signal).then(
      () => void this.#known.delete(id),
      (error: unknown) => this.#again(job, error),
    );
    this.#running.set(id, {
      deadline,
      stop,
      done: done.then(() => {
        this.#running.delete(id);
        this.#next(deadline);
      }),
    });
  }

  #again(job: Waiting, error: unknown): void {
    if (this.#isClosed) return;
    job.failures += 1;
    const retryMs = Math.min(longestRetryMs, firstRetryMs * 2 ** (job.failures - 1));
    this.#log.warn({ err: error, job: job.id, retryMs }, 'A job could not go on; it is tried again');
    this.#clock
      .after(retryMs, () => {
        this.#waiting[job.deadline].push(job);
        this.#next(job.deadline);
      })
      .unref?.();
  }
}
