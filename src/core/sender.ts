import { costOf } from './accounting.ts';
import type { Cache, CachedVector } from './cache.ts';
import { InputRefusedError, toEmbedQLError } from './errors.ts';
import type { EmbedderEvents } from './events.ts';
import type { EmbeddedText, EmbeddingModel } from './model.ts';
import type { Operation } from './request.ts';
import type { Task } from './scheduler.ts';
import type { Tracer } from './tracing.ts';

/** A text that has to be computed. */
export interface ComputeTask extends Task {
  readonly group: Operation;
  /** Milliseconds since 1970; 0 where nobody traces. */
  readonly submittedAt: number;
  readonly key: string;
  readonly truncated: boolean;
  /** Whether anybody who asked wants it kept. */
  keep: boolean;
}

export interface Computed extends CachedVector {
  /** Which provider call it came from; texts of the same call have the same. */
  readonly call: object;
}

/** Takes a batch to the provider, counts what comes back and has it cached. */
export class BatchSender {
  readonly #model: EmbeddingModel;
  readonly #cache: Cache;
  readonly #events: EmbedderEvents;
  readonly #tracer: Tracer;

  constructor(model: EmbeddingModel, cache: Cache, events: EmbedderEvents, tracer: Tracer) {
    this.#model = model;
    this.#cache = cache;
    this.#events = events;
    this.#tracer = tracer;
  }

  /** Outcomes in the order of `batch`. Never rejects. */
  async send(batch: readonly ComputeTask[]): Promise<Array<Computed | Error>> {
    this.#traceWaiting(batch);
    const outcomes = await sendSplitting(
      batch.map((task) => task.text),
      (texts) => this.#call(texts, batch),
    );
    const results = outcomes.map((outcome, i) =>
      outcome instanceof Error ? outcome : { ...outcome, truncated: batch[i]!.truncated },
    );
    const entries: Array<[string, CachedVector]> = [];
    for (const [i, task] of batch.entries()) {
      const result = results[i]!;
      if (result instanceof Error) continue;
      if (task.keep) entries.push([task.key, result]);
      task.group.payer?.charge(costOf(result.tokens, this.#model.spec), result.tokens);
    }
    if (entries.length > 0) this.#cache.setMany(entries);
    return results;
  }

  async #call(texts: readonly string[], batch: readonly ComputeTask[]) {
    const embedded = await this.#embedTraced(texts, batch);
    const tokens = embedded.reduce((sum, text) => sum + text.tokens, 0);
    this.#events.computed(this.#model.spec.name, embedded.length, tokens);
    const call = {};
    return embedded.map((text) => ({ ...text, call }));
  }

  /** One provider call, with links to every operation that has a text in its batch. */
  async #embedTraced(texts: readonly string[], batch: readonly ComputeTask[]): Promise<EmbeddedText[]> {
    if (!this.#tracer.enabled) return this.#model.embed(texts);
    const links = operationsOf(batch).map(({ trace }) => trace);
    const attributes = { model: this.#model.spec.name, texts: texts.length };
    const span = this.#tracer.start('embedql.provider', attributes, { parent: links[0], links });
    try {
      const embedded = await this.#model.embed(texts);
      span.end({ tokens: embedded.reduce((sum, text) => sum + text.tokens, 0) });
      return embedded;
    } catch (error) {
      span.end({}, toEmbedQLError(error));
      throw error;
    }
  }

  /** How long the texts of each operation waited for this batch. */
  #traceWaiting(batch: readonly ComputeTask[]): void {
    if (!this.#tracer.enabled) return;
    for (const operation of operationsOf(batch)) {
      const own = batch.filter(({ group }) => group === operation);
      const startedAt = Math.min(...own.map(({ submittedAt }) => submittedAt));
      const attributes = { model: this.#model.spec.name, texts: own.length };
      this.#tracer.start('embedql.queue', attributes, { parent: operation.trace, startedAt }).end();
    }
  }
}

function operationsOf(batch: readonly ComputeTask[]): Operation[] {
  return [...new Set(batch.map(({ group }) => group))];
}

/**
 * Sends a batch; where the provider refuses it for one of its texts, sends its halves, and so on until the
 * culprit is alone: 2·log₂(n) further calls for one among n. Outcomes are in the order of `texts`.
 */
export async function sendSplitting<Value>(
  texts: readonly string[],
  send: (texts: readonly string[]) => Promise<Value[]>,
): Promise<Array<Value | Error>> {
  try {
    return await send(texts);
  } catch (error) {
    if (!(error instanceof InputRefusedError) || texts.length === 1) {
      const shown = toEmbedQLError(error);
      return texts.map(() => shown);
    }
    const middle = Math.ceil(texts.length / 2);
    const halves = [texts.slice(0, middle), texts.slice(middle)];
    return (await Promise.all(halves.map((half) => sendSplitting(half, send)))).flat();
  }
}
