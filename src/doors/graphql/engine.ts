import { isGatherable, useLookAhead } from '@embedql/look-ahead';
import { type GraphQLSchema, getOperationAST, NoSchemaIntrospectionCustomRule } from 'graphql';
import {
  createYoga,
  type GraphQLParams,
  useExecutionCancellation,
  type YogaServerInstance,
} from 'graphql-yoga';
import type { Seat } from '../../admission/operation-list.ts';
import { EmbedQLError, toEmbedQLError } from '../../core/errors.ts';
import type { Caller } from '../../http/route.ts';
import { plainForms, type VectorForms } from '../../wire/writer.ts';
import type { OperationRecord } from '../operation-log.ts';
import type { Services } from '../services.ts';
import { type AnswerUse, answerLimits, checkAnswerSize, type FieldScale } from './answer-size.ts';
import type { Context } from './context.ts';
import { certainRequests, type Foreseen, possibleRequests } from './foreseen.ts';
import { OperationLoader } from './loader.ts';
import { boundedDocumentCache } from './plugins/document-cache.ts';
import { limitsFor, parseWithin } from './plugins/document-limits.ts';
import { inOrder } from './plugins/in-order.ts';
import { useDocumentLimits } from './plugins/use-document-limits.ts';
import { useOperationLog } from './plugins/use-operation-log.ts';
import { useRootFieldAdvice } from './plugins/use-root-field-advice.ts';
import { createSchema } from './schema/schema.ts';

export const graphqlPath = '/graphql';

/** Who asks, and how vectors are to stand in the answer. */
export interface GraphQLCaller extends Caller {
  /** The log line, span and figures of the operation; ended by the writer of the answer. */
  record: OperationRecord;
  /** Default: as values, for answers that come piece by piece. */
  vectors?: VectorForms;
  /** Where the operation is one of several that are admitted together. Default: it is alone. */
  seat?: Seat;
  /** What the other operations of the same answer come to. Default: there are none. */
  answerUse?: AnswerUse;
}

export interface EngineOptions {
  /** Whether clients may read the schema. */
  introspection: boolean;
  /** Texts of one operation. */
  maxTexts: number;
  /** Bytes of one answer. */
  maxAnswerBytes: number;
}

export interface Engine {
  readonly yoga: YogaServerInstance<GraphQLCaller, Context>;
  /** Texts that one operation may ask for. */
  readonly maxTexts: number;
  /** Whether an operation is answered piece by piece, whatever is accepted. */
  isSubscription(params: GraphQLParams): boolean;
}

/** Yoga, with everything that this server adds to it. */
export function createEngine(services: Services, options: EngineOptions): Engine {
  const schema = createSchema();
  const gatherable = gatherableFields(schema);
  const limits = { ...limitsFor(options.maxTexts), isGathered: (field: string) => gatherable.has(field) };
  const answer = answerLimits(options);
  const documents = boundedDocumentCache();
  const yoga = createYoga<GraphQLCaller, Context>({
    schema,
    // Which path is ours, below whatever prefix, has been decided before a request comes here.
    graphqlEndpoint: '*',
    graphiql: false,
    landingPage: false,
    logging: false,
    cors: false,
    multipart: false,
    // A body has been read, and limited, before it comes here.
    maxRequestBodySize: false,
    parserAndValidationCache: documents,
    // Errors are coded once, where a result becomes an answer: see createFinish.
    maskedErrors: false,
    context: ({ request, role, key, record, seat, vectors = plainForms }) => {
      const { admission, embedder } = services;
      const start = { signal: request.signal, trace: record.span.context };
      const operation = seat ? seat.begin(start) : admission.begin({ key, ...start });
      const loader = new OperationLoader(embedder, operation, record);
      return { ...services, role, key, vectors, operation, record, loader };
    },
    plugins: [
      ...inOrder({
        // Parses, before anything else can see the document. Behind it Yoga's own cache of documents.
        useDocumentLimits: useDocumentLimits(limits),
        useIntrospectionSwitch: !options.introspection && {
          onValidate: ({ addValidationRule }: { addValidationRule(rule: unknown): void }) =>
            addValidationRule(NoSchemaIntrospectionCustomRule),
        },
        useRootFieldAdvice: useRootFieldAdvice(),
        // Before useLookAhead: what that refuses ends the hooks of execution, and would have no name in the log.
        useOperationLog: useOperationLog(),
        // Before anything runs, and so before execution can be given up.
        useLookAhead: useLookAhead<Context, Foreseen>({
          admit: (foreseen, { operation, vectors, answerUse }, { foreseen: fields, unforeseen, args }) => {
            for (const { error } of unforeseen) if (isCostly(error)) operation.refuse(error);
            const scales = new Map(fields.map(({ responseKey, result }) => [responseKey, scaleOf(result)]));
            try {
              checkAnswerSize(args, (key) => scales.get(key), answer, vectors !== plainForms, answerUse);
            } catch (error) {
              operation.refuse(toEmbedQLError(error));
            }
            return operation.admitAnnounced(possibleRequests(foreseen));
          },
          begin: (foreseen, { loader }) => loader.beginRun(certainRequests(foreseen)),
        }),
        // Last, so that what is passed to the executor has the signal.
        useExecutionCancellation: useExecutionCancellation(),
      }),
    ],
  });

  return {
    yoga,
    maxTexts: options.maxTexts,
    isSubscription({ query, operationName }) {
      // Without the keyword there is none; with it, in a text perhaps, the parser knows.
      if (typeof query !== 'string' || !query.includes('subscription')) return false;
      const { documentCache } = documents;
      try {
        const document = documentCache.get(query) ?? parseWithin(limits, query);
        documentCache.set(query, document);
        return getOperationAST(document, operationName)?.operation === 'subscription';
      } catch {
        // Whoever answers says what is wrong with it.
        return false;
      }
    },
  };
}

/** What a gathered field has said of its answer. */
function scaleOf(result: object): FieldScale | undefined {
  return (result as { scale?: FieldScale }).scale;
}

/** Whether a field has more in it than may be looked at. */
function isCostly(error: unknown): error is EmbedQLError {
  return error instanceof EmbedQLError && error.code === 'COST_LIMIT_EXCEEDED';
}

/** Names of the root fields that are gathered with others: any number of them is one piece of work. */
function gatherableFields(schema: GraphQLSchema): ReadonlySet<string> {
  const fields = [schema.getQueryType(), schema.getMutationType()].flatMap((type) =>
    Object.values(type?.getFields() ?? {}),
  );
  return new Set(fields.filter(isGatherable).map(({ name }) => name));
}
