import type { Admission } from '../../admission/admission.ts';
import type { Accounting } from '../../core/accounting.ts';
import type { Cache } from '../../core/cache.ts';
import type { Catalogue } from '../../core/catalogue.ts';
import type { Embedder, EmbedRequest } from '../../core/embedder.ts';
import type { Payer } from '../../core/payer.ts';
import type { Span } from '../../core/tracing.ts';
import type { EncodedVectors } from '../../wire/vector-text.ts';
import type { VectorForms } from '../../wire/writer.ts';
import type { LookAhead } from './look-ahead/look-ahead.ts';
import type { OperationLoader } from './loader.ts';

/** Who asks: what the key they showed lets them do. */
export type Role = 'client' | 'admin';

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

/** What every resolver gets. */
export interface Context extends Services {
  readonly role: Role;
  /** The name of the key that was shown. */
  readonly key: string;
  readonly payer: Payer;
  /** How vectors are put into this answer. */
  readonly vectors: VectorForms;
  readonly requestId: string;
  /** Puts a header on the answer. */
  setHeader(name: string, value: string): void;
  /** The span of the operation. */
  readonly span: Span;
  readonly loader: OperationLoader;
  readonly lookAhead: LookAhead<Context, EmbedRequest>;
}
