import { isGatherable, useLookAhead } from '@embedql/look-ahead';
import { type GraphQLSchema, NoSchemaIntrospectionCustomRule } from 'graphql';
import { createYoga, useExecutionCancellation, type YogaServerInstance } from 'graphql-yoga';
import type { Config } from '../../config/config.ts';
import type { EmbedRequest } from '../../core/request.ts';
import type { Log } from '../../core/surroundings.ts';
import type { Caller } from '../../http/route.ts';
import type { Tracing } from '../../telemetry/tracing.ts';
import { plainForms, type VectorForms } from '../../wire/writer.ts';
import type { Services } from '../services.ts';
import { codedError } from './coded-error.ts';
import type { Context } from './context.ts';
import { OperationLoader } from './loader.ts';
import { boundedDocumentCache } from './plugins/document-cache.ts';
import { limitsFor } from './plugins/document-limits.ts';
import { useCodedErrors } from './plugins/use-coded-errors.ts';
import { useDocumentLimits } from './plugins/use-document-limits.ts';
import { useOperationLog } from './plugins/use-operation-log.ts';
import { createSchema } from './schema/schema.ts';

export const graphqlPath = '/graphql';

/** Who asks, and how vectors are to stand in the answer. */
export interface GraphQLCaller extends Caller {
  /** Default: as values, for answers that Yoga writes. */
  vectors?: VectorForms;
}

export type Engine = YogaServerInstance<GraphQLCaller, Context>;

/** Yoga, with everything that this server adds to it. */
export function createEngine(
  services: Services,
  config: Pick<Config, 'introspection' | 'maxTexts'>,
  log: Log,
  tracing: Tracing,
): Engine {
  const schema = createSchema();
  const gatherable = gatherableFields(schema);
  return createYoga<GraphQLCaller, Context>({
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
    parserAndValidationCache: boundedDocumentCache(),
    maskedErrors: { maskError: codedError },
    context: ({ request, role, key, headers, requestId, setHeader, vectors = plainForms }) => {
      const span = tracing.tracer.start('graphql', { requestId }, { parent: tracing.contextOf(headers) });
      const payer = services.admission.payer(key);
      const operation = { signal: request.signal, trace: span.context, payer };
      const loader = new OperationLoader(services.embedder, operation);
      return { ...services, role, key, payer, vectors, requestId, setHeader, span, loader };
    },
    plugins: [
      useDocumentLimits({ ...limitsFor(config.maxTexts), isGathered: (field) => gatherable.has(field) }),
      useOperationLog(log),
      useLookAhead<Context, EmbedRequest>({
        admit: (requests, { admission, payer }) => admission.admit(requests, payer, 'The operation asks for'),
        begin: (requests, { loader }) => loader.beginRun(requests),
      }),
      useExecutionCancellation(),
      useCodedErrors(log),
      !config.introspection && {
        onValidate: ({ addValidationRule }: { addValidationRule(rule: unknown): void }) =>
          addValidationRule(NoSchemaIntrospectionCustomRule),
      },
    ],
  });
}

/** Names of the root fields that are gathered with others: any number of them is one piece of work. */
function gatherableFields(schema: GraphQLSchema): ReadonlySet<string> {
  const fields = [schema.getQueryType(), schema.getMutationType()].flatMap((type) =>
    Object.values(type?.getFields() ?? {}),
  );
  return new Set(fields.filter(isGatherable).map(({ name }) => name));
}
