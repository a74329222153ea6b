import { EmbedError } from './errors.ts';
import { bodyTooLarge, isTooLarge } from './failures.ts';
import { batchQuery, readBatch, variablesOf } from './operations.ts';
import { type AbortSignalLike, cancellation, sleep, throwIfAborted } from './runtime.ts';
import { concernsAll, type Session } from './session.ts';
import { emptyText, placesToSend, TextQueue } from './split.ts';
import type { Embedding, EmbedManyOptions, EmbedManyResult, VectorForm } from './types.ts';

type AnyEmbedding = Embedding<VectorForm>;

/**
 * Embeds texts in as many requests as they need, a few at once.
 * @throws EmbedError where no request was answered; the signal's reason where it aborts
 */
export async function embedMany(
  session: Session,
  texts: readonly string[],
  options: EmbedManyOptions,
): Promise<EmbedManyResult<VectorForm>> {
  throwIfAborted(options.signal);
  const cancel = cancellation(options.signal);
  try {
    return await new ManyTexts(session, texts, options, cancel.signal).run();
  } finally {
    // Where one request threw, the others are of no use any more.
    cancel.abort();
    cancel.release();
  }
}

/** One call of `embedMany`. */
class ManyTexts {
  readonly #session: Session;
  readonly #texts: readonly string[];
  readonly #options: EmbedManyOptions;
  readonly #signal: AbortSignalLike;
  readonly #queue: TextQueue;
  readonly #results: Array<AnyEmbedding | EmbedError | undefined>;
  #done = 0;
  #failed = 0;
  #costUsd = 0;
  /** Whether any request was answered. */
  #answered = false;
  /** What a request failed with as a whole; nothing more is sent then. */
  #stop: EmbedError | undefined;

  constructor(
    session: Session,
    texts: readonly string[],
    options: EmbedManyOptions,
    signal: AbortSignalLike,
  ) {
    this.#session = session;
    this.#texts = texts;
    this.#options = options;
    this.#signal = signal;
    this.#results = new Array(texts.length).fill(undefined);
    const { full, empty } = placesToSend(texts);
    this.#queue = new TextQueue(texts, full);
    for (const place of empty) this.#settle(place, emptyText());
  }

  async run(): Promise<EmbedManyResult<VectorForm>> {
    const { concurrency, requestSize } = this.#session;
    await this.#session.prepare(this.#queue, requestSize, this.#signal);
    await Promise.all(Array.from({ length: concurrency }, () => this.#work()));
    if (this.#stop && !this.#answered) throw this.#stop;
    const stop = this.#stop;
    return summary(this.#results.map((result) => result ?? (stop as EmbedError)));
  }

  async #work(): Promise<void> {
    while (!this.#stop) {
      const places = this.#queue.take(this.#session.requestSize);
      if (!places) return;
      if (this.#session.requestSize.isBeyond(this.#queue.bytesOf(places)))
        this.#refuse(places, bodyTooLarge(this.#session.transport.url));
      else await this.#embed(places);
    }
  }

  /** One request, and the tries after it: of the whole, or of the texts that failed and may succeed later. */
  async #embed(places: readonly number[]): Promise<void> {
    const patience = this.#session.patience();
    let waiting = places;
    while (waiting.length > 0) {
      const errors: EmbedError[] = [];
      try {
        const results = await patience.limit(this.#signal, (signal) => this.#ask(waiting, signal));
        const asked = waiting;
        const tooLarge = asked.filter((_, i) => asked.length > 1 && isTooLargeText(results[i]));
        if (tooLarge.length > 0)
          await this.#session.divide(this.#queue, tooLarge, asked, this.#session.requestSize, this.#signal);
        waiting = asked.filter((place, i) => {
          const result = results[i] as AnyEmbedding | EmbedError;
          if (tooLarge.includes(place)) return false;
          const again = result instanceof EmbedError && patience.allows(result);
          if (again) errors.push(result);
          else this.#settle(place, result);
          // Said of it, should nothing more come.
          this.#results[place] = result;
          return again;
        });
        this.#tell();
      } catch (error) {
        throwIfAborted(this.#signal);
        if (!(error instanceof EmbedError)) throw error;
        if (isTooLarge(error)) return this.#split(waiting, error);
        if (!patience.allows(error)) {
          this.#stop ??= error;
          return;
        }
        errors.push(error);
      }
      if (waiting.length > 0) await sleep(patience.nextWait(errors), this.#signal);
    }
  }

  async #ask(places: readonly number[], signal: AbortSignalLike): Promise<Array<AnyEmbedding | EmbedError>> {
    const variables = variablesOf(
      places.map((place) => this.#texts[place] as string),
      { kind: 'document', ...this.#options },
    );
    const results = readBatch(
      await this.#session.transport.ask(batchQuery(this.#options.form), variables, signal),
      places.length,
      this.#options.form,
    );
    this.#answered = true;
    return results;
  }

  async #split(places: readonly number[], error: EmbedError): Promise<void> {
    const { requestSize } = this.#session;
    if (await this.#session.refused(this.#queue, places, requestSize, this.#signal)) return;
    if (concernsAll(error)) {
      requestSize.restore();
      this.#stop ??= error;
    } else {
      this.#refuse(places, error);
    }
  }

  /** These texts alone cannot be had. */
  #refuse(places: readonly number[], error: EmbedError): void {
    this.#answered = true;
    for (const place of places) this.#settle(place, error);
    this.#tell();
  }

  /** A text's last word. */
  #settle(place: number, result: AnyEmbedding | EmbedError): void {
    this.#results[place] = result;
    this.#done++;
    if (result instanceof EmbedError) this.#failed++;
    else this.#costUsd += result.costUsd;
  }

  #tell(): void {
    this.#options.onProgress?.({
      done: this.#done,
      failed: this.#failed,
      total: this.#texts.length,
      costUsd: this.#costUsd,
    });
  }
}

/** Whether a text came to more pieces than there was room for beside the others. */
function isTooLargeText(result: AnyEmbedding | EmbedError | undefined): boolean {
  return result instanceof EmbedError && isTooLarge(result);
}

function summary(results: Array<AnyEmbedding | EmbedError>): EmbedManyResult<VectorForm> {
  let costUsd = 0;
  let tokens = 0;
  let cachedCount = 0;
  for (const result of results) {
    if (result instanceof EmbedError) continue;
    costUsd += result.costUsd;
    tokens += result.tokens;
    if (result.cached) cachedCount++;
  }
  return { results, costUsd, tokens, cachedCount };
}
