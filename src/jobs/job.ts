import type { KeptMoney } from '../admission/purse.ts';
import { batchCostOf, costOf } from '../core/accounting.ts';
import type { ErrorCode } from '../core/errors.ts';
import type { ModelSpec, TextKind } from '../core/model.ts';

/** How it stands with a job. `EXPIRED`: its results have been deleted. */
export type JobStatus = 'QUEUED' | 'RUNNING' | 'DONE' | 'FAILED' | 'CANCELLED' | 'EXPIRED';

/** When the results are needed: as soon as can be, or within a day, at the price of batches where the provider has them. */
export type Deadline = 'NOW' | 'DAY';

/** What every record has. */
export interface KeptRecord {
  readonly id: string;
  /** The name of the key that it belongs to. */
  readonly key: string;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  /** From when on it is of no use to anybody, in milliseconds since 1970; undefined while that is not known. */
  readonly endsAt?: number | undefined;
}

/** A batch at the provider, as far as has been written down. */
export interface ProviderBatch {
  /** From 0, within the job. */
  readonly number: number;
  /**
   * `submitting`: it may or may not be there. `submitted`: it has an id. `ended`: nothing more comes of it; its output is
   * read where it has one.
   */
  readonly state: 'submitting' | 'submitted' | 'ended';
  /** Milliseconds since 1970. */
  readonly since: number;
  readonly texts: number;
  /** The indexes of its first and last text; not all between them are in it. */
  readonly from: number;
  readonly to: number;
  readonly id?: string | undefined;
  /** What the provider calls the files with what came back. */
  readonly outputs?: readonly string[] | undefined;
  /** Texts that came back with a vector. */
  readonly answered?: number | undefined;
  /** Why it did not go through, where it did not. */
  readonly problem?: string | undefined;
}

/** Texts that batches brought, each once, and their tokens. */
export interface BoughtTexts {
  readonly texts: number;
  readonly tokens: number;
}

/** What OpenAI's door keeps with a job that came through it. */
export interface BatchDoorRecord {
  readonly inputFileId: string;
  readonly metadata: Readonly<Record<string, string>> | null;
  /** Requests of the file. */
  readonly requests: number;
  /** Bytes of what is kept of each request, in a blob of the job's. */
  readonly layoutBytes: number;
}

/** A job, as it is written down: all that whoever goes on with it has to know. */
export interface JobRecord extends KeptRecord {
  /** What its texts are booked under. */
  readonly tag?: string | undefined;
  /** Raised by whoever takes the job up; what an earlier holder writes is refused. */
  readonly epoch: number;
  readonly status: Exclude<JobStatus, 'EXPIRED'>;
  readonly model: string;
  readonly kind: TextKind;
  /** Numbers in each vector of the results. */
  readonly dimensions: number;
  /** False refuses a text that is over the model's limit instead of cutting it. */
  readonly truncate: boolean;
  /** Whether one is read in pieces instead, whose vectors are averaged. Default: false. */
  readonly averages?: boolean | undefined;
  /** Whether a text of white space is one. */
  readonly takesBlank: boolean;
  readonly deadline: Deadline;
  readonly startedAt?: number | undefined;
  readonly finishedAt?: number | undefined;
  readonly cancelledAt?: number | undefined;
  readonly total: number;
  /** Texts whose results are complete, from the first on. */
  readonly done: number;
  readonly cached: number;
  readonly failed: number;
  readonly tokens: number;
  /** Tokens that were paid, at the ordinary price and at that of batches. */
  readonly paidTokens: number;
  readonly batchTokens: number;
  /** Texts that batches brought and that are written down, and their tokens: as much is to be booked on the job. */
  readonly bought?: BoughtTexts | undefined;
  /** Of a cancelled job, the index of the first text from which on nothing of what batches brought has been booked. */
  readonly settled?: number | undefined;
  /** Bytes of the texts, and where the first of them begins that is not done. */
  readonly textBytes: number;
  readonly textsAt: number;
  /** Bytes of the results that count. */
  readonly resultBytes: number;
  readonly money?: KeptMoney | undefined;
  readonly batches: readonly ProviderBatch[];
  /** Why it failed as a whole. */
  readonly failure?: { readonly code: ErrorCode; readonly message: string } | undefined;
  readonly door?: BatchDoorRecord | undefined;
  /** The folder that its texts are in, where they are in no other place. */
  readonly home?: string | undefined;
}

/** A file that a client has sent. */
export interface FileRecord extends KeptRecord {
  readonly name: string;
  readonly purpose: string;
  readonly bytes: number;
  /** The folder that it is in, where it is in no other place. */
  readonly home?: string | undefined;
}

/** Who asks: what belongs to a key is shown to that key, and to those who may see everything. */
export interface Asker {
  readonly key: string;
  /** What they call what they do, for the books. */
  readonly tag?: string | undefined;
  readonly seesAll: boolean;
}

/** Whether somebody may see what belongs to a key. */
export function sees({ key, seesAll }: Asker, record: Pick<KeptRecord, 'key'>): boolean {
  return seesAll || key === record.key;
}

/** Whether nothing more happens to it. */
export function isOver({ status }: Pick<JobRecord, 'status'>): boolean {
  return status === 'DONE' || status === 'FAILED' || status === 'CANCELLED';
}

/** USD that a job has cost so far. */
export function costOfJob(
  { paidTokens, batchTokens }: Pick<JobRecord, 'paidTokens' | 'batchTokens'>,
  spec: Pick<ModelSpec, 'costPer1kTokens' | 'batchCostPer1kTokens'> | undefined,
): number {
  if (!spec) return 0;
  return costOf(paidTokens, spec) + batchCostOf(batchTokens, spec);
}
