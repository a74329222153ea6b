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
  /** Who asks, and what has been admitted: what the embedder is told of the operation. */
  readonly operation: Gate;
  /** What is told of the operation when it is over. */
  readonly record: OperationRecord;
  readonly loader: OperationLoader;
  /** What the other operations of the same answer come to, where there are any. */
  readonly answerUse?: AnswerUse;
}
