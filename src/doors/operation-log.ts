import type { IncomingHttpHeaders } from 'node:http';
import { budgetHeader } from '../admission/budget-header.ts';
import type { EmbedQLError, ErrorCode } from '../core/errors.ts';
import type { OperationEvents, OperationReport } from '../core/events.ts';
import type { Answer } from '../core/request.ts';
import type { Log } from '../core/surroundings.ts';
import type { Span } from '../core/tracing.ts';
import type { Tracing } from '../telemetry/tracing.ts';

/** What an operation has come to so far. */
export interface OperationFigures {
  /** Texts that were asked for; one that was asked for twice counts once. */
  texts: number;
  hits: number;
  /** Provider calls that its texts travelled in, alone or with those of others. */
  calls: number;
  costUsd: number;
}

/** Who sent an operation. */
export interface OperationCaller {
  readonly requestId: string;
  readonly key: string;
  readonly headers: IncomingHttpHeaders;
  /** Puts a header on the answer. */
  setHeader(name: string, value: string): void;
}

/** What an operation turned out to be. */
export interface OperationDescription {
  /** `query`, `mutation`, `subscription`, or the name of a door's only operation. */
  type: string;
  /** The name that the client gave it, or the path that it was sent to. */
  operation?: string | undefined;
  /** Fields at its root. */
  fields?: number | undefined;
}

export interface OperationLogOptions {
  log: Log;
  tracing: Tracing;
  /** Told of every operation that is over. */
  events: OperationEvents;
  /** What is left to a key of its money, for a header; undefined: nothing is said. Default: for no key. */
  budgetLeft?: ((key: string) => string | undefined) | undefined;
}

/** The log line, the span and the figures of operations: the same for every door, for answers and for streams. */
export class OperationLog {
  readonly #options: OperationLogOptions;

  constructor(options: OperationLogOptions) {
    this.#options = options;
  }

  /** @param door names the span */
  begin(door: string, caller: OperationCaller): OperationRecord {
    return new OperationRecord(this.#options, door, caller);
  }
}

/**
 * One operation, from its first byte to its last. Ends once, with one line: who asked for what and what that came to.
 * Never a text, a vector or a key.
 */
export class OperationRecord {
  /** The span of the operation, to hang others below it. */
  readonly span: Span;
  readonly #options: OperationLogOptions;
  readonly #caller: OperationCaller;
  readonly #started = performance.now();
  readonly #calls = new Set<object>();
  readonly #codes = new Map<ErrorCode, number>();
  #description: OperationDescription = { type: 'unknown' };
  #texts = 0;
  #hits = 0;
  #costUsd = 0;
  /** Tokens in that cost which are an estimate, because the provider did not say how many it read. */
  #tokensEstimated = 0;
  #failed = false;
  #ended = false;

  constructor(options: OperationLogOptions, door: string, caller: OperationCaller) {
    const { tracer, contextOf } = options.tracing;
    this.#options = options;
    this.#caller = caller;
    this.span = tracer.enabled
      ? tracer.start(door, { requestId: caller.requestId }, { parent: contextOf(caller.headers) })
      : tracer.start(door);
  }

  /** Says what the operation is, once that is known. */
  describe(description: OperationDescription): void {
    this.#description = description;
  }

  /** Texts were answered, or failed. Whether that fails a field, an entry or nothing is not said by this. */
  answered(outcomes: ReadonlyArray<Answer | EmbedQLError>): void {
    this.#texts += outcomes.length;
    for (const outcome of outcomes) {
      if (outcome instanceof Error) continue;
      if (outcome.pieces) {
        this.#texts -= 1;
        this.answered(outcome.pieces.map(({ answer }) => answer));
      } else if (outcome.source !== 'provider') this.#hits += 1;
      else {
        this.#costUsd += outcome.costUsd;
        if (outcome.tokensEstimated) this.#tokensEstimated += outcome.tokens;
        if (outcome.call) this.#calls.add(outcome.call);
      }
    }
  }

  /** A field failed, or the whole operation: its answer has an error. */
  failed(code: ErrorCode): void {
    this.#failed = true;
    this.#count(code);
  }

  /** Entries of a list failed, in an answer that is otherwise whole. */
  entriesFailed(outcomes: Iterable<Answer | EmbedQLError>): void {
    for (const outcome of outcomes) if (outcome instanceof Error) this.#count(outcome.code);
  }

  get figures(): OperationFigures {
    return { texts: this.#texts, hits: this.#hits, calls: this.#calls.size, costUsd: this.#costUsd };
  }

  /** Provider calls that its texts travelled in. */
  get calls(): ReadonlySet<object> {
    return this.#calls;
  }

  /** Puts the figures on the answer, where texts were asked for. Before its head is sent. */
  tellFigures(): void {
    if (this.#texts === 0) return;
    const figures = writeFigures(this.#texts, this.#hits, this.#calls.size, this.#costUsd);
    this.#caller.setHeader(figuresName, figures);
    this.tellBudget();
  }

  /** Puts on the answer what is left to the key, now that it has been charged. Before its head is sent. */
  tellBudget(): void {
    const budget = this.#options.budgetLeft?.(this.#caller.key);
    if (budget !== undefined) this.#caller.setHeader(budgetHeader, budget);
  }

  /** The operation is over; a second call is none. @param cancelled whether the client has gone before its answer */
  end(cancelled = false): void {
    if (this.#ended) return;
    this.#ended = true;
    const { log, events, tracing } = this.#options;
    const ms = performance.now() - this.#started;
    const outcome = this.#outcome(cancelled);
    // What was given up for a client who left is nobody's error.
    if (cancelled) this.#codes.delete('INTERNAL_SERVER_ERROR');
    const { type, operation, fields } = this.#description;
    const texts = this.#texts;
    let errors = 0;
    for (const count of this.#codes.values()) errors += count;
    events.operation({ type, outcome, ms, texts, errors: this.#codes });
    const tokensEstimated = this.#tokensEstimated > 0 ? this.#tokensEstimated : undefined;
    if (tracing.tracer.enabled)
      this.span.end({
        ...this.figures,
        ...(tokensEstimated === undefined ? {} : { tokensEstimated }),
        type,
        outcome,
        errors,
      });
    if (!log.isLevelEnabled('info')) return;
    const { requestId, key } = this.#caller;
    log.info(
      {
        requestId,
        key,
        type,
        operation,
        fields,
        texts,
        hits: this.#hits,
        calls: this.#calls.size,
        costUsd: this.#costUsd,
        tokensEstimated,
        outcome,
        errors,
        codes: errors > 0 ? Object.fromEntries(this.#codes) : undefined,
        ms: Math.round(ms * 10) / 10,
      },
      'operation',
    );
  }

  #outcome(cancelled: boolean): OperationReport['outcome'] {
    if (cancelled) return 'cancelled';
    return this.#failed ? 'failed' : 'ok';
  }

  #count(code: ErrorCode): void {
    this.#codes.set(code, (this.#codes.get(code) ?? 0) + 1);
  }
}

/** The header with the figures of operations that are answered together; undefined where they asked for no texts. */
export function figuresHeader(
  records: ReadonlyArray<Pick<OperationRecord, 'figures' | 'calls'>>,
): [name: string, value: string] | undefined {
  let texts = 0;
  let hits = 0;
  let costUsd = 0;
  const calls = new Set<object>();
  for (const record of records) {
    const { figures } = record;
    texts += figures.texts;
    hits += figures.hits;
    costUsd += figures.costUsd;
    for (const call of record.calls) calls.add(call);
  }
  if (texts === 0) return undefined;
  return [figuresName, writeFigures(texts, hits, calls.size, costUsd)];
}

const figuresName = 'x-embedql-figures';

function writeFigures(texts: number, hits: number, calls: number, costUsd: number): string {
  return `texts=${texts} hits=${hits} calls=${calls} cost=${costUsd}`;
}
