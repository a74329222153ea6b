import { isGatherable, useLookAhead } from '@embedql/look-ahead';
import {
  type ExecutionResult,
  type GraphQLSchema,
  getOperationAST,
  NoSchemaIntrospectionCustomRule,
} from 'graphql';
import { createYoga, type GraphQLParams, useExecutionCancellation } from 'graphql-yoga';
import { EmbedQLError, toEmbedQLError } from '../../core/errors.ts';
import { ownTurn } from '../../core/turns.ts';
import { plainForms } from '../../wire/writer.ts';
import type { Services } from '../services.ts';
import { answerLimits, checkAnswerSize, type FieldScale } from './answer-size.ts';
import { type Context, createContext, type OperationStart } from './context.ts';
import { certainRequests, type Foreseen, possibleRequests } from './foreseen.ts';
import { boundedDocumentCache } from './plugins/document-cache.ts';
import { limitsFor, parseWithin } from './plugins/document-limits.ts';
import { inOrder } from './plugins/in-order.ts';
import { useDocumentLimits } from './plugins/use-document-limits.ts';
import { useOperationLog } from './plugins/use-operation-log.ts';
import { useRootFieldAdvice } from './plugins/use-root-field-advice.ts';
import { ReadAhead } from './read-ahead.ts';
import { createSchema } from './schema/schema.ts';

/** What an operation comes to: a result, or events one after another. */
export type Outcome = ExecutionResult | AsyncIterable<ExecutionResult>;

export const graphqlPath = '/graphql';

export interface EngineOptions {
  /** Whether clients may read the schema. */
  introspection: boolean;
  /** Texts of one operation. */
  maxTexts: number;
  /** Texts of one job. */
  maxJobTexts: number;
  /** Bytes of one answer. */
  maxAnswerBytes: number;
}

export interface Engine {
  /** What Yoga makes of one operation. */
  run(params: GraphQLParams, request: Request, start: OperationStart): Promise<Outcome>;
  /** Entries that one list of the variables may have: as many texts as an operation, or a job, may ask for. */
  mostListed(params: GraphQLParams): number;
  /** Reads the document of an operation where it is a large one. @returns what to wait for, which never rejects */
  readAhead(params: GraphQLParams): Promise<void> | undefined;
  /** Whether an operation is answered piece by piece, whatever is accepted. A large document is to be read ahead first. */
  isSubscription(params: GraphQLParams): boolean;
}

/** Yoga, with everything that this server adds to it. */
export function createEngine(services: Services, options: EngineOptions): Engine {
  const schema = createSchema();
  const gatherable = gatherableFields(schema);
  const limits = { ...limitsFor(options.maxTexts), isGathered: (field: string) => gatherable.has(field) };
  const answer = answerLimits(options);
  const documents = boundedDocumentCache();
  const ahead = new ReadAhead(
    schema,
    (source) => parseWithin(limits, source),
    options.introspection ? [] : [NoSchemaIntrospectionCustomRule],
  );
  const yoga = createYoga<Context>({
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
    plugins: [
      ...inOrder({
        // Parses, before anything else can see the document. Behind it Yoga's own cache of documents.
        useDocumentLimits: useDocumentLimits(limits, ahead),
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
            try {
              checkAnswerSize(args, scalesOf(fields), answer, vectors !== plainForms, answerUse);
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
    readAhead: (params) => ahead.begin(params),
    run: async (params, request, start) => {
      const reading = ahead.begin(params);
      if (reading) await reading;
      // What runs a large document has a turn of its own, too.
      if (ahead.of(params)) await ownTurn();
      return (await yoga.getResultForParams(
        { params, request },
        // Yoga takes its server's context for that of the operation where nothing has to be added.
        createContext(services, params, request, start) as unknown as Parameters<
          typeof yoga.getResultForParams
        >[1],
      )) as Outcome;
    },
    mostListed: ({ query }) =>
      typeof query === 'string' && query.includes('createEmbeddingJob')
        ? Math.max(options.maxTexts, options.maxJobTexts)
        : options.maxTexts,
    isSubscription(params) {
      const { query, operationName } = params;
      // Without the keyword there is none; with it, in a text perhaps, the parser knows.
      if (typeof query !== 'string' || !query.includes('subscription')) return false;
      const { documentCache } = documents;
      try {
        const read = ahead.of(params);
        if (read && !read.document) return false;
        const document = read?.document ?? documentCache.get(query) ?? parseWithin(limits, query);
        documentCache.set(query, document);
        return getOperationAST(document, operationName)?.operation === 'subscription';
      } catch {
        // Whoever answers says what is wrong with it.
        return false;
      }
    },
  };
}

/** What gathered fields have said of their answers, by their names. Usually they are asked for in their own order. */
function scalesOf(
  fields: ReadonlyArray<{ responseKey: string; result: object }>,
): (responseKey: string) => FieldScale | undefined {
  let next = 0;
  let byKey: Map<string, FieldScale | undefined> | undefined;
  return (responseKey) => {
    const field = fields[next];
    if (field?.responseKey === responseKey) {
      next += 1;
      return scaleOf(field.result);
    }
    byKey ??= new Map(fields.map((one) => [one.responseKey, scaleOf(one.result)]));
    return byKey.get(responseKey);
  };
}

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
