import type { Deadline, FileRecord, JobRecord } from './job.ts';

/** What records there are. */
export interface Kinds {
  jobs: JobRecord;
  files: FileRecord;
}

/**
 * Small records that outlive the process. Whatever fails rejects with the error of the store; callers try again.
 */
export interface Records {
  /** Puts a new record there. */
  add<Kind extends keyof Kinds>(kind: Kind, record: Kinds[Kind]): Promise<void>;
  get<Kind extends keyof Kinds>(kind: Kind, id: string): Promise<Kinds[Kind] | undefined>;
  /** The newest ones first. @param key only what belongs to it; undefined: everybody's */
  list<Kind extends keyof Kinds>(
    kind: Kind,
    key: string | undefined,
    most: number,
  ): Promise<Array<Kinds[Kind]>>;
  remove(kind: keyof Kinds, id: string): Promise<void>;
  /** Takes a job up: whoever had it cannot write any more. undefined where it is not there. */
  takeUp(id: string): Promise<JobRecord | undefined>;
  /** Replaces the record of a job. @returns false where it is gone, or a later epoch has taken it up */
  save(job: JobRecord): Promise<boolean>;
  /** Whether nobody has taken a job up since. */
  isHeld(holder: JobHolder): Promise<boolean>;
  /** Says that a job is to end, to whoever runs it. @returns false where it is not there */
  cancel(id: string): Promise<boolean>;
  isCancelled(id: string): Promise<boolean>;
  /**
   * Says that these texts are in a batch of a job, unless they are in one of another job.
   * @param keys cache keys. @returns whether each is this job's now
   */
  claim(keys: readonly string[], id: string): Promise<boolean[]>;
  /** Gives back all that a job has claimed. */
  release(id: string): Promise<void>;
}

/** Whoever runs a job, since they have taken it up. */
export type JobHolder = Pick<JobRecord, 'id' | 'epoch'>;

/** Bytes by name, which grow at their end and outlive the process. A name is letters, digits, `-`, `_` and `.`. */
export interface Blobs {
  /**
   * Writes at a position, which is at most the end. What is behind it counts no longer. It outlives the machine once this
   * resolves.
   * @param holder writes only while no later epoch has the job. @returns false where one has: nothing was written
   */
  write(name: string, at: number, bytes: Buffer, holder?: JobHolder): Promise<boolean>;
  /** Bytes from `from` up to `to`, in pieces. @throws (rejects) LostError where there are fewer, or they cannot be read any more */
  read(name: string, from: number, to: number): AsyncGenerator<Buffer, void, void>;
  /** One that is not there is gone, too. */
  remove(name: string): Promise<void>;
}

/** Where jobs, files and what belongs to them is kept. */
export interface Vault {
  readonly records: Records;
  /** For texts: nobody but this server can read them. */
  readonly texts: Blobs;
  /** For vectors. */
  readonly results: Blobs;
  /** Names the folder that texts are in, where only this process can read them; undefined where every replica can. */
  readonly home: string | undefined;
  close(): Promise<void>;
}

/** Runs one job to its end. Rejects where it could not be brought there: then it is run again. */
export type RunJob = (id: string, signal: AbortSignal) => Promise<void>;

/** Those who run jobs: in this process, or in all that share a store. */
export interface Crew {
  /** From now on jobs are run, those first that were begun before. */
  start(run: RunJob): Promise<void>;
  /** There is a job. Called again for one that was added before, it changes nothing. */
  add(job: {
    readonly id: string;
    readonly deadline: Deadline;
    readonly home?: string | undefined;
  }): Promise<void>;
  /** Lets go of what is running: it is gone on with later, or elsewhere. */
  close(): Promise<void>;
}
