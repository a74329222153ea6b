import { NoSchemaIntrospectionCustomRule } from 'graphql';
import { createYoga, useExecutionCancellation, type YogaServerInstance } from 'graphql-yoga';
import type { Config } from '../config/config.ts';
import type { EmbedRequest } from '../embedder/embedder.ts';
import { LookAhead } from '../loading/look-ahead.ts';
import { OperationLoader } from '../loading/operation-loader.ts';
import { codedError } from '../schema/coded-error.ts';
import type { Context, Services } from '../schema/context.ts';
import { createSchema } from '../schema/schema.ts';
import type { Log } from '../telemetry/log.ts';
import type { Tracing } from '../telemetry/tracing.ts';
import { boundedDocumentCache } from './document-cache.ts';
import { createGraphiQLRenderer, graphiqlOptions } from './graphiql.ts';
import type { Caller } from './server.ts';
import { useCodedErrors } from './use-coded-errors.ts';
import { useLookAhead } from './use-look-ahead.ts';
import { useOperationLog } from './use-operation-log.ts';

export type GraphQLHandler = YogaServerInstance<Caller, Context>;

export const graphqlPath = '/graphql';

/** GraphQL over HTTP: Yoga, with everything that this server adds to it. */
export function createGraphQLHandler(
  services: Services,
  config: Pick<Config, 'graphiql' | 'introspection' | 'maxBodyBytes'>,
  log: Log,
  tracing: Tracing,
): GraphQLHandler {
  return createYoga<Caller, Context>({
    schema: createSchema(),
    graphqlEndpoint: graphqlPath,
    graphiql: config.graphiql && graphiqlOptions,
    renderGraphiQL: createGraphiQLRenderer(),
    landingPage: false,
    logging: false,
    cors: false,
    multipart: false,
    maxRequestBodySize: config.maxBodyBytes,
    parserAndValidationCache: boundedDocumentCache(),
    maskedErrors: { maskError: codedError },
    context: ({ request, role, requestId, setHeader }) => {
      const span = tracing.tracer.start(
        'graphql',
        { requestId },
        { parent: tracing.contextOf(request.headers) },
      );
      const loader = new OperationLoader(services.embedder, { signal: request.signal, trace: span.context });
      const lookAhead = new LookAhead<Context, EmbedRequest>((requests) => loader.beginRun(requests));
      return { ...services, role, requestId, setHeader, span, loader, lookAhead };
    },
    plugins: [
      useOperationLog(log),
      useLookAhead(),
      useExecutionCancellation(),
      useCodedErrors(log),
      !config.introspection && {
        onValidate: ({ addValidationRule }: { addValidationRule(rule: unknown): void }) =>
          addValidationRule(NoSchemaIntrospectionCustomRule),
      },
    ],
  });
}
