import type { Purse } from '../admission/purse.ts';
import { batchCostOf } from '../core/accounting.ts';
import type { Batches, BatchLine, BatchText } from '../core/batches.ts';
import { sha256 } from '../core/cache.ts';
import type { Clock } from '../core/clock.ts';
import type { Embedder } from '../core/embedder.ts';
import type { EmbedQLError } from '../core/errors.ts';
import type { EmbeddingModel } from '../core/model.ts';
import type { Answer } from '../core/request.ts';
import type { Log } from '../core/surroundings.ts';
import { isEmpty, requestOf } from './compute.ts';
import type { BoughtTexts } from './job.ts';
import type { JobRun, JobText } from './job-run.ts';
import { patienceForClients, sleepUnless } from './patience.ts';
import { awaitBatches, type BatchContext, insist, recoverBatches, submitBatch } from './provider-batch.ts';
import { type TextOutcome, withBought } from './results.ts';
import { Spool } from './spool.ts';
import type { Records } from './vault.ts';

export interface DayOptions {
  records: Records;
  books: JobBooks;
  embedder: Embedder;
  model: EmbeddingModel;
  batches: Batches;
  purse: Purse;
  clock: Clock;
  log: Log;
  /** Where vectors lie that have come back, until they are written in order. */
  spoolFolder: string;
  /** Aborts when this process lets go of the job. */
  signal: AbortSignal;
}

/** Where what batches bring is booked, so that it can be found again. */
export interface JobBooks {
  /**
   * What has been booked on a job since then, by whatever process.
   * @returns undefined where books end with their process. @throws (rejects) where nobody can tell
   */
  bookedOf(job: string, since: number): Promise<BoughtTexts | undefined>;
  /** Writes what has been booked. Never rejects. */
  flush(): Promise<unknown>;
}

/** How often a text is put into a batch before it is bought at once. */
const triesInBatches = 3;

/** Batches in a row that bring nothing, after which the rest is bought at once. */
const mostStalled = 5;

/** Texts that are looked at together. */
const together = 500;

/** Milliseconds between two looks for what another job has in a batch: the first, doubled for each further one, the longest. */
const [firstWaitMs, longestWaitMs] = [1_000, 60_000];

/** A token is a byte at least, and a provider may add some of its own. */
const addedTokens = 100;

/**
 * What a job buys in the batches of a provider: texts that are neither cached nor being computed, each once, by the place
 * where it comes first.
 */
export class DayPurchases {
  readonly #run: JobRun;
  readonly #options: DayOptions;
  readonly #spool: Spool;
  /** Where each different text comes first, by its hash. */
  readonly #first = new Map<string, number>();
  /** Texts that no further try would help, by index. */
  readonly #refused = new Map<number, EmbedQLError>();
  readonly #tries = new Map<number, number>();
  /** Batches that have been read. */
  readonly #read = new Set<number>();

  private constructor(run: JobRun, options: DayOptions, spool: Spool) {
    this.#run = run;
    this.#options = options;
    this.#spool = spool;
  }

  /** @throws (rejects) where the books cannot tell what they have of the job */
  static async begin(run: JobRun, options: DayOptions): Promise<DayPurchases> {
    await bookRest(run, options);
    return new DayPurchases(run, options, await Spool.create(options.spoolFolder));
  }

  /** Buys until nothing is left to be bought in batches. @throws where the signal of the job ends it */
  async buy(): Promise<void> {
    const { clock } = this.#options;
    const { signal } = this.#run;
    const context = this.#context(signal);
    await recoverBatches(context);
    await this.#readEnded(signal);
    let stalled = 0;
    let waitMs = firstWaitMs;
    for (;;) {
      signal.throwIfAborted();
      const { planned, elsewhere } = await this.#plan(context, stalled < mostStalled);
      const known = this.#spool.size + this.#refused.size;
      await awaitBatches(context);
      await this.#readEnded(signal);
      if (planned > 0) {
        stalled = this.#spool.size + this.#refused.size > known ? 0 : stalled + 1;
        if (stalled > 0) await sleepUnless(clock, firstWaitMs * 2 ** stalled, signal);
        continue;
      }
      if (elsewhere === 0) return;
      await sleepUnless(clock, waitMs, signal);
      waitMs = Math.min(longestWaitMs, waitMs * 2);
    }
  }

  /** What is known of texts by now; undefined for what has to be asked for. */
  async known(texts: readonly JobText[]): Promise<Array<TextOutcome | undefined>> {
    return Promise.all(texts.map((text) => this.#outcomeOf(text)));
  }

  /** The results of these are written down: what came in batches is cached, counted and charged. */
  async committed(texts: readonly JobText[], outcomes: readonly TextOutcome[]): Promise<void> {
    await this.#receive(
      texts.flatMap(({ text }, i) => {
        const outcome = outcomes[i]!;
        return !(outcome instanceof Error) && outcome.inBatch ? [{ text, answer: outcome }] : [];
      }),
    );
  }

  /**
   * The job is cancelled: ends what is at the provider, and takes what is paid all the same. Each text is booked once, however
   * often this is begun.
   */
  async settle(): Promise<void> {
    const run = this.#run;
    await this.#endBatches();
    const from = this.#unsettledFrom;
    let some: JobText[] = [];
    const flush = async () => {
      if (some.length === 0) return;
      const outcomes = await this.known(some);
      const paid = some.flatMap(({ text }, i) => {
        const outcome = outcomes[i];
        return outcome && !(outcome instanceof Error) ? [{ text, answer: outcome }] : [];
      });
      await this.#saveSettled(
        paid.map(({ answer }) => answer.tokens),
        some.at(-1)!.index,
      );
      await this.#receive(paid);
      some = [];
    };
    for await (const text of run.texts(0, 0)) {
      const digest = sha256(text.text);
      if (!this.#first.has(digest)) this.#first.set(digest, text.index);
      if (text.index < from || this.#first.get(digest) !== text.index || !this.#spool.has(text.index))
        continue;
      some.push(text);
      if (some.length === together) await flush();
    }
    await flush();
  }

  /**
   * The texts of the job are lost: ends what is at the provider, and books what is paid, each text once. What has come back
   * belongs to nothing that could be asked for, and is not cached.
   */
  async settleLost(): Promise<void> {
    const run = this.#run;
    const { embedder, model, purse } = this.#options;
    await this.#endBatches();
    const from = this.#unsettledFrom;
    const wasSent = (index: number) => run.job.batches.some((one) => one.from <= index && index <= one.to);
    const paid = this.#spool.indexes().filter((index) => index >= from && wasSent(index));
    paid.sort((a, b) => a - b);
    for (let at = 0; at < paid.length; at += together) {
      const some = paid.slice(at, at + together);
      const tokens = some.map((index) => this.#tokensOfLost(this.#spool.tokensOf(index)));
      await this.#saveSettled(tokens, some.at(-1)!);
      await this.#book(() => embedder.charge(model, tokens, { payer: purse.batchPayer }));
    }
  }

  /** The index of the first text of which nothing has been booked. */
  get #unsettledFrom(): number {
    const { done, settled = 0 } = this.#run.job;
    return Math.max(done, settled);
  }

  async #endBatches(): Promise<void> {
    const { signal } = this.#options;
    const context = this.#context(signal);
    await recoverBatches(context);
    await awaitBatches(context, true);
    await this.#readEnded(signal);
  }

  /** Writes down what is to be booked next. @param last the index of the last of these texts */
  async #saveSettled(tokens: readonly number[], last: number): Promise<void> {
    const { job } = this.#run;
    const sum = tokens.reduce((a, b) => a + b, 0);
    await this.#run.save({
      ...withBought(job, { texts: tokens.length, tokens: sum }),
      settled: last + 1,
      batchTokens: job.batchTokens + sum,
    });
  }

  /** The job is over: the provider may delete its files. */
  async leave(): Promise<void> {
    const { batches, signal, log } = this.#options;
    const { id, batches: ended } = this.#run.job;
    for (const batch of ended)
      if (batch.id !== undefined)
        await batches.forget(batch.id, signal).catch((error: unknown) => {
          log.debug({ err: error, job: id }, 'The files of a batch could not be deleted at the provider');
        });
  }

  close(): Promise<void> {
    return this.#spool.close();
  }

  #context(signal: AbortSignal): BatchContext {
    const { batches, clock, log } = this.#options;
    return { run: this.#run, batches, clock, log, signal };
  }

  /**
   * Goes through all texts and hands in what has to be bought.
   * @returns how many that were, and how many another job has in a batch
   */
  async #plan(context: BatchContext, mayBuy: boolean): Promise<{ planned: number; elsewhere: number }> {
    const { batches, model } = this.#options;
    const { job } = this.#run;
    let planned = 0;
    let elsewhere = 0;
    let batch: Array<BatchText & { index: number }> = [];
    let bytes = 0;
    const submit = async () => {
      if (batch.length === 0) return;
      const range = { from: batch[0]!.index, to: batch.at(-1)!.index };
      const texts = batch.map(({ id, text }) => ({ id, text }));
      for (const { index } of batch) this.#tries.set(index, (this.#tries.get(index) ?? 0) + 1);
      planned += batch.length;
      batch = [];
      bytes = 0;
      await submitBatch(context, texts, range, job.kind);
    };
    const take = async (some: readonly JobText[]) => {
      const { ours, theirs } = await this.#missing(some);
      elsewhere += theirs;
      const fitted = await model.fit(ours.map(({ text }) => this.#prefixed(text)));
      for (const [i, { index }] of ours.entries()) {
        const { text, truncated } = fitted[i]!;
        if (truncated && !job.truncate) continue;
        const size = Buffer.byteLength(text);
        if (batch.length >= batches.maxTexts || bytes + size > batches.maxBytes) await submit();
        batch.push({ id: `t${index}${truncated ? 'x' : ''}`, text, index });
        bytes += size;
      }
    };
    let some: JobText[] = [];
    for await (const text of this.#run.texts(0, 0)) {
      if (this.#needs(text, mayBuy)) some.push(text);
      if (some.length < together) continue;
      await take(some);
      some = [];
      this.#run.signal.throwIfAborted();
    }
    if (some.length > 0) await take(some);
    await submit();
    return { planned, elsewhere };
  }

  /** Whether a text may have to be bought, as far as this job knows. */
  #needs({ text, index }: JobText, mayBuy: boolean): boolean {
    const { job } = this.#run;
    if (isEmpty(text, job)) return false;
    const digest = sha256(text);
    const first = this.#first.get(digest) ?? index;
    this.#first.set(digest, first);
    if (first !== index || index < job.done || this.#spool.has(index) || this.#refused.has(index))
      return false;
    if (!mayBuy || (this.#tries.get(index) ?? 0) >= triesInBatches) return false;
    return !job.batches.some(({ state, from, to }) => state === 'submitted' && from <= index && index <= to);
  }

  /** Those that are neither cached nor being computed, and in no batch of another job. */
  async #missing(texts: readonly JobText[]): Promise<{ ours: JobText[]; theirs: number }> {
    const { embedder, model, purse, records } = this.#options;
    const { job, signal } = this.#run;
    const requests = texts.map(({ text }) => requestOf(text, job, model));
    const looks = await insist(this.#options.clock, signal, () =>
      embedder.look(model, requests, patienceForClients, purse.payer),
    );
    const missing = [...texts.keys()].filter((i) => !looks[i]!.cached && !looks[i]!.underWay);
    const claimed = await insist(this.#options.clock, signal, () =>
      records.claim(
        missing.map((i) => looks[i]!.key),
        job.id,
      ),
    );
    const ours = missing.filter((_, n) => claimed[n]).map((i) => texts[i]!);
    return { ours, theirs: missing.length - ours.length };
  }

  /** Reads what has come back in batches that have ended, whole, and as often as it takes. */
  async #readEnded(signal: AbortSignal): Promise<void> {
    const { batches, clock, log } = this.#options;
    for (const { number, state, outputs = [] } of this.#run.job.batches) {
      if (state !== 'ended' || outputs.length === 0 || this.#read.has(number)) continue;
      await insist(clock, signal, async () => {
        for await (const line of batches.read(outputs, signal)) await this.#take(line);
      }).catch((error: unknown) => {
        if (signal.aborted) throw error;
        log.error(
          { job: this.#run.job.id, batch: number },
          'The output of a batch is gone; its texts are bought again',
        );
      });
      this.#read.add(number);
    }
    await this.#spool.flush();
  }

  /** A line counts once, and only where its text is one of this job's. */
  async #take(line: BatchLine): Promise<void> {
    const [, digits, cut] = /^t(\d{1,9})(x?)$/.exec(line.id) ?? [];
    const index = digits === undefined ? Number.NaN : Number(digits);
    if (!(index < this.#run.job.total)) return;
    if ('error' in line) {
      if (!line.error.retryable && !this.#spool.has(index)) this.#refused.set(index, line.error);
      return;
    }
    this.#refused.delete(index);
    await this.#spool.add(index, { vector: line.vector, tokens: line.tokens, truncated: cut === 'x' });
  }

  async #outcomeOf({ text, index }: JobText): Promise<TextOutcome | undefined> {
    const first = this.#first.get(sha256(text));
    if (first === undefined) return undefined;
    const refused = this.#refused.get(first);
    if (refused) return refused;
    const spooled = await this.#spool.get(first);
    if (!spooled) return undefined;
    const { vector, truncated } = spooled;
    const tokens = await this.#tokensOf(text, spooled.tokens);
    // Other places of the same text have it from this one.
    const inBatch = first === index;
    const costUsd = inBatch ? batchCostOf(tokens, this.#options.model.spec) : 0;
    return { vector, tokens, truncated, source: 'provider', costUsd, inBatch };
  }

  #prefixed(text: string): string {
    const { queryPrefix = '', documentPrefix = '' } = this.#options.model.spec;
    return (this.#run.job.kind === 'query' ? queryPrefix : documentPrefix) + text;
  }

  /** What the provider says where that can be, else what is counted here. */
  async #tokensOf(text: string, told: number | undefined): Promise<number> {
    if (told !== undefined && told <= Buffer.byteLength(this.#prefixed(text)) + addedTokens) return told;
    const { model } = this.#options;
    const fitted = await model.fit([this.#prefixed(text)]);
    const [count = 0] = await model.countTokens(fitted.map((one) => one.text));
    return Math.min(count, model.spec.maxInputTokens);
  }

  async #receive(paid: ReadonlyArray<{ text: string; answer: Answer }>): Promise<void> {
    if (paid.length === 0) return;
    const { embedder, model, purse } = this.#options;
    const requests = paid.map(({ text }) => requestOf(text, this.#run.job, model));
    const answers = paid.map(({ answer }) => answer);
    await this.#book(() => embedder.receive(model, requests, answers, { payer: purse.batchPayer }));
  }

  /** @param charge books, and returns USD. @throws SupersededError where whoever has the job by now books it */
  async #book(charge: () => number | Promise<number>): Promise<void> {
    await this.#run.requireOurs();
    this.#options.purse.spend(await charge());
    await this.#options.books.flush();
  }

  /** Tokens of a text that nobody has any more: what the provider says where that can be, else about four bytes each. */
  #tokensOfLost(told: number | undefined): number {
    const { job } = this.#run;
    const { maxInputTokens } = this.#options.model.spec;
    if (told !== undefined && told <= maxInputTokens + addedTokens) return told;
    return Math.min(maxInputTokens, Math.ceil(job.textBytes / job.total / 4));
  }
}

/** Books what was written down of a job, and not booked because a process ended in between. */
async function bookRest(run: JobRun, { books, embedder, model, purse, log }: DayOptions): Promise<void> {
  const { job } = run;
  if (!job.bought) return;
  const booked = await books.bookedOf(job.id, job.createdAt);
  if (!booked) return;
  const texts = job.bought.texts - booked.texts;
  if (texts <= 0) return;
  // Which of them has how many tokens is not known any more.
  const tokens = new Array<number>(texts).fill(0);
  tokens[0] = Math.max(0, job.bought.tokens - booked.tokens);
  await run.requireOurs();
  purse.spend(embedder.charge(model, tokens, { payer: purse.batchPayer }));
  log.info({ job: job.id, texts }, 'what a process that ended had not booked of a job is booked');
}
