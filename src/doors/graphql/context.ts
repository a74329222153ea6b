import type { Role } from '../../admission/keys.ts';
import type { Operation, Payer } from '../../core/request.ts';
import type { VectorForms } from '../../wire/writer.ts';
import type { OperationRecord } from '../operation-log.ts';
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
  /** What the embedder is told of the operation. */
  readonly operation: Operation;
  /** What is told of the operation when it is over. */
  readonly record: OperationRecord;
  readonly loader: OperationLoader;
}
