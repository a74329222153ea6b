import type { Admission } from '../admission/admission.ts';
import type { Accounting } from '../embedder/accounting.ts';
import type { Cache } from '../embedder/cache.ts';
import type { Catalogue } from '../embedder/catalogue.ts';
import type { Embedder, EmbedRequest } from '../embedder/embedder.ts';
import type { Payer } from '../embedder/payer.ts';
import type { Span } from '../embedder/tracing.ts';
import type { EncodedVectors } from '../encoding/encoded-vectors.ts';
import type { VectorForms } from '../encoding/vector-forms.ts';
import type { LookAhead } from '../loading/look-ahead.ts';
import type { OperationLoader } from '../loading/operation-loader.ts';

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
