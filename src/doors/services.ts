import type { Admission } from '../admission/admission.ts';
import type { Accounting } from '../core/accounting.ts';
import type { Cache } from '../core/cache.ts';
import type { Catalogue } from '../core/catalogue.ts';
import type { Embedder } from '../core/embedder.ts';
import type { EncodedVectors } from '../wire/vector-text.ts';

/** What lives as long as the process. */
export interface Services {
  readonly catalogue: Catalogue;
  readonly embedder: Embedder;
  readonly cache: Cache;
  readonly accounting: Accounting;
  readonly version: string;
  readonly admission: Admission;
  readonly encoded: EncodedVectors;
  /** Aborts when the server is told to stop: what goes on without an end has to end. */
  readonly stopping: AbortSignal;
}
