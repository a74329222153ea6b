import type { IncomingHttpHeaders } from 'node:http';
import { EmbedQLError } from '../core/errors.ts';
import type { Environment } from '../core/surroundings.ts';
import { noTracer, type Tracer } from '../core/tracing.ts';

export interface Tracing {
  tracer: Tracer;
  /** The caller's place in a trace, from its `traceparent` header (W3C Trace Context). */
  contextOf(headers: IncomingHttpHeaders): unknown;
  /** Sends what is left. */
  close(): Promise<void>;
}

const off: Tracing = { tracer: noTracer, contextOf: () => undefined, close: async () => {} };

/**
 * OpenTelemetry, where its standard variables ask for it (`OTEL_EXPORTER_OTLP_ENDPOINT`,
 * `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`, `OTEL_TRACES_EXPORTER`). Elsewhere none of it is even loaded.
 * @param version the server's, for the spans
 */
export async function createTracing(env: Environment, version: string): Promise<Tracing> {
  const exporter = env['OTEL_TRACES_EXPORTER'];
  if (env['OTEL_SDK_DISABLED'] === 'true' || exporter === 'none' || (!tracesUrl(env) && !exporter))
    return off;
  const { api, core, sdk, otlp, resources } = await loadOpenTelemetry();
  const { defaultTextMapGetter, ROOT_CONTEXT, SpanStatusCode, trace } = api;
  const url = tracesUrl(env);
  const provider = new sdk.NodeTracerProvider({
    resource: resources.resourceFromAttributes({
      'service.name': env['OTEL_SERVICE_NAME'] || 'embedql',
      'service.version': version,
    }),
    spanProcessors: [
      exporter === 'console'
        ? new sdk.SimpleSpanProcessor(new sdk.ConsoleSpanExporter())
        : new sdk.BatchSpanProcessor(new otlp.OTLPTraceExporter(url === undefined ? {} : { url })),
    ],
  });
  const tracer = provider.getTracer('embedql', version);
  const propagator = new core.W3CTraceContextPropagator();
  type Context = typeof ROOT_CONTEXT;

  return {
    tracer: {
      enabled: true,
      start(name, attributes, { parent, links = [], startedAt } = {}) {
        const span = tracer.startSpan(
          name,
          {
            ...(attributes ? { attributes } : {}),
            ...(startedAt === undefined ? {} : { startTime: startedAt }),
            links: links.flatMap((link) => {
              const linked = trace.getSpanContext(link as Context);
              return linked ? [{ context: linked }] : [];
            }),
          },
          (parent as Context | undefined) ?? ROOT_CONTEXT,
        );
        return {
          context: trace.setSpan(ROOT_CONTEXT, span),
          end(more, error) {
            if (more) span.setAttributes(more);
            if (error) span.setStatus({ code: SpanStatusCode.ERROR, message: error.message });
            span.end();
          },
        };
      },
    },
    contextOf: (headers) => propagator.extract(ROOT_CONTEXT, headers, defaultTextMapGetter),
    close: () => provider.shutdown(),
  };
}

/** OpenTelemetry's packages are optional dependencies. @throws EmbedQLError that says what to install. */
async function loadOpenTelemetry() {
  try {
    return {
      api: await import('@opentelemetry/api'),
      core: await import('@opentelemetry/core'),
      sdk: await import('@opentelemetry/sdk-trace-node'),
      otlp: await import('@opentelemetry/exporter-trace-otlp-http'),
      resources: await import('@opentelemetry/resources'),
    };
  } catch (error) {
    throw new EmbedQLError(
      'PROVIDER_NOT_CONFIGURED',
      'Traces require packages that are not installed: run "npm i @opentelemetry/core @opentelemetry/resources ' +
        '@opentelemetry/sdk-trace-node @opentelemetry/exporter-trace-otlp-http" and start again, or set OTEL_SDK_DISABLED=true.',
      { cause: error },
    );
  }
}

/** Where traces go: the endpoint for traces as it is, or the common one with their path. */
function tracesUrl(env: Environment): string | undefined {
  const endpoint = env['OTEL_EXPORTER_OTLP_ENDPOINT'];
  const common = endpoint ? `${endpoint.replace(/\/$/, '')}/v1/traces` : undefined;
  return env['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'] || common;
}
