import type { Role } from '../../admission/keys.ts';
import type { Gate } from '../../admission/operation-list.ts';
import type { VectorForms } from '../../wire/writer.ts';
import type { OperationRecord } from '../operation-log.ts';
import type { Services } from '../services.ts';
import type { AnswerUse } from './answer-size.ts';
import type { OperationLoader } from './loader.ts';

/** What every resolver gets. */
export interface Context extends Services {
  readonly role: Role;
  /** The name of the key that was shown. */
  readonly key: string;
  /** How vectors are put into this answer. */
  readonly vectors: VectorForms;
  /** The operation as the embedder takes it: who asks, and what was admitted. */
  readonly operation: Gate;
  /** The log line, span and figures of the operation. */
  readonly record: OperationRecord;
  readonly loader: OperationLoader;
  /** What the other operations of the same answer come to, where there are any. */
  readonly answerUse?: AnswerUse;
}
