import type { BatchLimit } from './batch-limit.ts';
import { InputRefusedError, ServerFailedError, toEmbedQLError } from './errors.ts';
import type { EmbedderEvents } from './events.ts';
import type { EmbedCallOptions, EmbeddedText, EmbeddingModel, TextKind } from './model.ts';
import type { Places } from './places.ts';
import type { BatchLimits } from './queue.ts';
import type { Operation } from './request.ts';
import type { Task } from './scheduler.ts';
import type { Tracer } from './tracing.ts';

/** A text on its way to the provider. */
export interface SendTask extends Task {
  readonly group: Operation;
  readonly kind: TextKind;
  /** Milliseconds since 1970; 0 where nobody traces. */
  readonly submittedAt: number;
}

export interface Computed extends EmbeddedText {
  /** Which provider call it came from; texts of the same call have the same. */
  readonly call: object;
}

export interface SenderOptions<T extends SendTask> {
  model: EmbeddingModel;
  places: Places;
  limit: BatchLimit;
  events: EmbedderEvents;
  tracer: Tracer;
  /**
   * Told once for each text, as soon as it has its vector or its error. Outcomes are in the order of `tasks`. Resolves when all
   * have been handed out; must not reject.
   */
  settle(tasks: readonly T[], outcomes: ReadonlyArray<Computed | Error>): void | Promise<void>;
}

/** What became of the parts of a batch that was refused. */
interface Search {
  /** Texts that were refused alone. */
  culprits: number;
  /** The largest part that was accepted. */
  accepted: BatchLimits;
}

/**
 * Takes batches to the provider. A batch that fails for one of its texts is divided until the culprit is alone:
 * at most 2·log₂(n) further calls for one among n, rounded up. Parts wait for their place like everybody.
 */
export class Sender<T extends SendTask> {
  readonly #options: SenderOptions<T>;

  constructor(options: SenderOptions<T>) {
    this.#options = options;
  }

  /** Sends a batch. Never rejects: `settle` gets the outcome of each text. */
  async send(batch: readonly T[]): Promise<void> {
    this.#traceWaiting(batch);
    const failure = await this.#try(batch);
    if (!failure) return this.#options.limit.accepted(sizeOf(batch));
    if (!isAboutOneText(failure) || batch.length === 1) return this.#fail(batch, failure);
    const search: Search = { culprits: 0, accepted: { size: 0, tokens: 0 } };
    await this.#divideBlindly(batch, search);
    // Every text was accepted in the end: it was the number of them that was refused.
    if (search.culprits === 0 && failure instanceof InputRefusedError && search.accepted.size > 0)
      this.#options.limit.refused(sizeOf(batch), search.accepted);
  }

  /**
   * The batch was refused, and nothing says whether one of its texts is at fault or their number. Two unequal parts
   * tell: where the provider takes fewer texts, one of their sizes is near what it takes.
   */
  async #divideBlindly(batch: readonly T[], search: Search): Promise<void> {
    const [small, large] = cut(batch);
    const [smallFailed, largeFailed] = await Promise.all([
      this.#tryPart(small, search),
      this.#tryPart(large, search),
    ]);
    const bothFailed = smallFailed !== undefined && largeFailed !== undefined;
    await Promise.all([
      smallFailed && this.#divideFurther(small, smallFailed, search, bothFailed),
      largeFailed && this.#divideFurther(large, largeFailed, search, bothFailed),
    ]);
  }

  #divideFurther(part: readonly T[], failure: Error, search: Search, blindly: boolean): unknown {
    if (part.length === 1) return this.#blame(part, failure, search);
    return blindly ? this.#divideBlindly(part, search) : this.#hunt(part, search);
  }

  /** One text of `part` is at fault. Where the smaller half is accepted, it must be in the other. */
  async #hunt(part: readonly T[], search: Search): Promise<void> {
    const [small, large] = cut(part);
    const failure = await this.#tryPart(small, search);
    if (!failure) {
      if (large.length > 1) return this.#hunt(large, search);
      const alone = await this.#tryPart(large, search);
      return alone && this.#blame(large, alone, search);
    }
    await Promise.all([
      this.#divideFurther(small, failure, search, false),
      this.#tryPart(large, search).then(
        (otherFailure) => otherFailure && this.#divideFurther(large, otherFailure, search, false),
      ),
    ]);
  }

  /** @returns why it failed, where dividing further may help; anything else is everybody's failure */
  async #tryPart(part: readonly T[], search: Search): Promise<Error | undefined> {
    const failure = await this.#try(part, true);
    if (!failure) {
      const { size, tokens } = sizeOf(part);
      if (size > search.accepted.size) search.accepted = { size, tokens };
      return undefined;
    }
    if (isAboutOneText(failure)) return failure;
    search.culprits += part.length;
    this.#fail(part, failure);
    return undefined;
  }

  #blame(part: readonly T[], failure: Error, search: Search): void {
    search.culprits += 1;
    this.#fail(part, failure);
  }

  #fail(tasks: readonly T[], error: unknown): void {
    const failure = toEmbedQLError(error);
    void this.#options.settle(
      tasks,
      tasks.map(() => failure),
    );
  }

  /** One call. Settles its texts where it succeeds. @returns why it failed */
  async #try(tasks: readonly T[], isPart = false): Promise<Error | undefined> {
    const { model, places, events, settle } = this.#options;
    let computed: Computed[];
    try {
      const embedded = await places.use(() => this.#embedTraced(tasks, isPart), tasks[0]!.canWait);
      if (embedded.length !== tasks.length)
        throw new Error(`${model.spec.name} gave ${embedded.length} vectors for ${tasks.length} texts`);
      const tokens = embedded.reduce((sum, text) => sum + text.tokens, 0);
      const estimated = embedded.reduce((sum, text) => sum + (text.tokensEstimated ? text.tokens : 0), 0);
      events.computed(model.spec.name, embedded.length, tokens, estimated);
      const call = {};
      computed = embedded.map((text) => ({ ...text, call }));
    } catch (error) {
      return toEmbedQLError(error);
    }
    const handingOut = settle(tasks, computed);
    if (handingOut) await handingOut;
    return undefined;
  }

  /** One provider call, with links to every operation that has a text in its batch. */
  async #embedTraced(tasks: readonly T[], isPart: boolean): Promise<EmbeddedText[]> {
    const { model, tracer } = this.#options;
    const texts = tasks.map((task) => task.text);
    const options: EmbedCallOptions = {
      kind: tasks[0]!.kind,
      maxTokens: sizeOf(tasks).tokens,
      // What failed with all its retries is not retried again part by part.
      ...(isPart ? { retryServerFailures: false } : {}),
    };
    if (!tracer.enabled) return model.embed(texts, options);
    const links = operationsOf(tasks).map(({ trace }) => trace);
    const attributes = { model: model.spec.name, texts: texts.length };
    const span = tracer.start('embedql.provider', attributes, { parent: links[0], links });
    try {
      const embedded = await model.embed(texts, options);
      span.end({ tokens: embedded.reduce((sum, text) => sum + text.tokens, 0) });
      return embedded;
    } catch (error) {
      span.end({}, toEmbedQLError(error));
      throw error;
    }
  }

  /** How long the texts of each operation waited for this batch. */
  #traceWaiting(batch: readonly T[]): void {
    const { model, tracer } = this.#options;
    if (!tracer.enabled) return;
    for (const operation of operationsOf(batch)) {
      const own = batch.filter(({ group }) => group === operation);
      const startedAt = Math.min(...own.map(({ submittedAt }) => submittedAt));
      const attributes = { model: model.spec.name, texts: own.length };
      tracer.start('embedql.queue', attributes, { parent: operation.trace, startedAt }).end();
    }
  }
}

/** Whether one text of a call may be why all of it failed, so that dividing helps. */
function isAboutOneText(failure: Error): boolean {
  return failure instanceof InputRefusedError || failure instanceof ServerFailedError;
}

/** Two fifths and three fifths: the larger is never more than 1.7 times smaller than what was refused. */
function cut<Item>(items: readonly Item[]): [small: readonly Item[], large: readonly Item[]] {
  const middle = Math.max(1, Math.round(items.length * 0.4));
  return [items.slice(0, middle), items.slice(middle)];
}

function sizeOf(tasks: readonly Task[]): BatchLimits {
  return { size: tasks.length, tokens: tasks.reduce((sum, { maxTokens }) => sum + maxTokens, 0) };
}

function operationsOf(tasks: readonly SendTask[]): Operation[] {
  return [...new Set(tasks.map(({ group }) => group))];
}
