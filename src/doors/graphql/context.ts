import type { GraphQLParams } from 'graphql-yoga';
import type { Identity } from '../../admission/keys.ts';
import type { Gate, Seat } from '../../admission/operation-list.ts';
import { plainForms, type VectorForms } from '../../wire/writer.ts';
import type { OperationRecord } from '../operation-log.ts';
import type { Services } from '../services.ts';
import type { AnswerUse } from './answer-size.ts';
import { OperationLoader } from './loader.ts';

/** Who asks, and how the operation is to be answered. */
export interface OperationStart {
  readonly identity: Identity;
  /** The log line, span and figures of the operation; ended by the writer of the answer. */
  readonly record: OperationRecord;
  /** How vectors are to stand in the answer. Default: as values, for answers that come piece by piece. */
  readonly vectors?: VectorForms;
  /** Where the operation is one of several that are admitted together. Default: it is alone. */
  readonly seat?: Seat;
  /** What the other operations of the same answer come to. Default: there are none. */
  readonly answerUse?: AnswerUse;
}

/** What every resolver gets. */
export interface Context extends Services, Identity {
  /** How vectors are put into this answer. */
  readonly vectors: VectorForms;
  /** The operation as the embedder takes it: who asks, and what was admitted. */
  readonly operation: Gate;
  /** The log line, span and figures of the operation. */
  readonly record: OperationRecord;
  readonly loader: OperationLoader;
  /** What the other operations of the same answer come to, where there are any. */
  readonly answerUse?: AnswerUse | undefined;
  /** What Yoga's plugins look for. */
  readonly request: Request;
  readonly params: GraphQLParams;
}

/** The context of one operation. Every field is named: spreading objects into each other costs more than all else here. */
export function createContext(
  services: Services,
  params: GraphQLParams,
  request: Request,
  { identity, record, vectors = plainForms, seat, answerUse }: OperationStart,
): Context {
  const { admission, embedder } = services;
  const { role, key, seesAll = false, tag } = identity;
  const { signal } = request;
  const trace = record.span.context;
  const operation = seat ? seat.begin({ signal, trace }) : admission.begin({ key, tag, signal, trace });
  return {
    catalogue: services.catalogue,
    embedder,
    cache: services.cache,
    accounting: services.accounting,
    history: services.history,
    version: services.version,
    admission,
    jobs: services.jobs,
    ledger: services.ledger,
    limits: services.limits,
    encoded: services.encoded,
    operations: services.operations,
    nameOption: services.nameOption,
    stopping: services.stopping,
    role,
    key,
    seesAll,
    tag,
    vectors,
    operation,
    record,
    loader: new OperationLoader(embedder, operation, record),
    answerUse,
    request,
    params,
  };
}
