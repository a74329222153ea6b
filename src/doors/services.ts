import type { Admission } from '../admission/admission.ts';
import type { Accounting } from '../core/accounting.ts';
import type { Cache } from '../core/cache.ts';
import type { Catalogue } from '../core/catalogue.ts';
import type { Embedder } from '../core/embedder.ts';
import type { NameOption } from '../core/errors.ts';
import type { History } from '../core/history.ts';
import type { Jobs } from '../jobs/jobs.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { EncodedVectors } from '../wire/vector-text.ts';
import type { OperationLog } from './operation-log.ts';

/** What one request may ask for, told to clients that split their texts. */
export interface RequestLimits {
  /** Texts of one operation. */
  readonly maxTexts: number;
  /** Tokens of all texts of one operation. */
  readonly maxTokens: number;
  /** Bytes of one request's body. */
  readonly maxBodyBytes: number;
  /** Bytes of one answer. */
  readonly maxAnswerBytes: number;
  /** Texts of one job. */
  readonly maxJobTexts: number;
}

/** What lives as long as the process. */
export interface Services {
  readonly catalogue: Catalogue;
  readonly embedder: Embedder;
  readonly cache: Cache;
  readonly accounting: Accounting;
  /** What happened in each minute of the last day. */
  readonly history: History;
  readonly version: string;
  readonly admission: Admission;
  readonly jobs: Jobs;
  /** What was asked for, paid and saved. */
  readonly ledger: Ledger;
  readonly limits: RequestLimits;
  readonly encoded: EncodedVectors;
  readonly operations: OperationLog;
  /** What operators call an option that a message advises to change. */
  readonly nameOption: NameOption;
  /** Aborts when the server stops, to end streams that have no end of their own. */
  readonly stopping: AbortSignal;
}
