/** Where a span hangs: something of the tracer's own, which the core only passes on. */
export type TraceContext = unknown;

export type SpanAttributes = Record<string, string | number | boolean>;

export interface SpanOptions {
  parent?: TraceContext;
  /** Others that this belongs to, too: the operations that share a provider call. */
  links?: readonly TraceContext[];
  /** Milliseconds since 1970, for what has begun before. Default: now. */
  startedAt?: number;
}

export interface Span {
  /** To hang further spans below this one. */
  readonly context: TraceContext;
  /** @param error what went wrong, where something did */
  end(attributes?: SpanAttributes, error?: Error): void;
}

/** Follows a request through the core. */
export interface Tracer {
  /** False where nobody listens: then nothing has to be put together for a span. */
  readonly enabled: boolean;
  start(name: string, attributes?: SpanAttributes, options?: SpanOptions): Span;
}

const noSpan: Span = { context: undefined, end: () => {} };

/** A tracer that records nothing. */
export const noTracer: Tracer = { enabled: false, start: () => noSpan };
