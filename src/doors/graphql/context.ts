import type { Role } from '../../admission/keys.ts';
import type { Payer } from '../../core/request.ts';
import type { Span } from '../../core/tracing.ts';
import type { VectorForms } from '../../wire/writer.ts';
import type { Services } from '../services.ts';
import type { OperationLoader } from './loader.ts';

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
}
