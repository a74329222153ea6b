import { EmbedQLError } from '../core/errors.ts';
import type { Account, Payer } from '../core/request.ts';
import { type Log, silentLog } from '../core/surroundings.ts';
import { type BookStore, beatMs } from './book-store.ts';
import { dayMs, dayOf, keptDays, readDays } from './days.ts';
import { OwnDay } from './own-day.ts';
import { checkSize, Questions, readLedger } from './reading.ts';
import type { Row } from './row.ts';
import { RowAccount } from './row-account.ts';
import { type Spend, type SpendQuery, SpendSum } from './spend.ts';

/** What is booked at once, by those who do so by themselves. Whole numbers, and USD. */
export interface LedgerEntry {
  readonly model: string;
  /** The name of the key. */
  readonly key: string;
  readonly tag?: string | undefined;
  /** Texts that were asked for; those of them that the cache had, and those that a provider was paid for. */
  readonly texts?: number;
  readonly hits?: number;
  readonly computed?: number;
  /** Tokens that a provider charged for; of them those that it did not tell. */
  readonly tokens?: number;
  readonly tokensEstimated?: number;
  readonly costUsd?: number;
  /** What the hits would have cost. */
  readonly savedUsd?: number;
}

export interface LedgerOptions {
  /** Default: the books are kept in memory, and end with the process. */
  store?: BookStore | undefined;
  log?: Log;
  /** Milliseconds since 1970. */
  now?: () => number;
}

/** Milliseconds between two writes, where there is something to write: a crash loses at most so much, and the write itself. */
const writeMs = 500;

/** Rows that are kept in memory where there is nowhere else; the oldest days go first. */
const mostRowsInMemory = 100_000;

/** Milliseconds that a question waits for what this process has yet to write. */
const flushWaitMs = 100;

/**
 * What was asked for, paid and saved, by day, model, key and tag: over restarts and over replicas, as far as its store goes.
 * Whoever books adds to a row in memory; rows that have changed are written twice a second.
 */
export class Ledger {
  readonly #store: BookStore | undefined;
  readonly #log: Log;
  readonly #now: () => number;
  /** Oldest first, today last. */
  readonly #days: OwnDay[] = [];
  #today: OwnDay;
  readonly #timer: NodeJS.Timeout;
  #writing: Promise<boolean> | undefined;
  #writtenAt = Number.NEGATIVE_INFINITY;
  #wroteAllAt: number;
  #failingSince: number | undefined;
  readonly #questions = new Questions();
  #closed = false;

  constructor({ store, log = silentLog, now = Date.now }: LedgerOptions = {}) {
    this.#store = store;
    this.#log = log;
    this.#now = now;
    this.#wroteAllAt = now();
    this.#today = new OwnDay(dayOf(now()));
    this.#days.push(this.#today);
    this.#timer = setInterval(() => this.#tick(), writeMs);
    this.#timer.unref();
  }

  /** Milliseconds that figures have been waiting for a store that does not take them. */
  get behindMs(): number {
    return this.#failingSince === undefined ? 0 : this.#now() - this.#failingSince;
  }

  /** Whether figures are kept where they can go. */
  get isLossy(): boolean {
    return this.#store?.isLossy ?? true;
  }

  /** Tells the store that there is this process. Never rejects. */
  async ready(): Promise<void> {
    await this.#write();
  }

  /** Whom an operation is booked on. @param job whose batches bring it: `bookedOf` tells what that was */
  account(key: string, tag = '', job?: string): Account & Payer {
    return new RowAccount(key, (model) => this.#row(model, key, tag, job));
  }

  /**
   * What the batches of a job have been booked with, by all processes that had the job.
   * @param since when there was the job, in milliseconds since 1970
   * @returns undefined where books end with their process. @throws (rejects) where the store cannot tell
   */
  async bookedOf(job: string, since: number): Promise<{ texts: number; tokens: number } | undefined> {
    const store = this.#store;
    if (!store) return undefined;
    if (!(await this.flush())) throw new Error('the ledger cannot be written');
    // The clocks of replicas differ.
    const days = readDays(dayOf(since - dayMs), dayOf(this.#now() + dayMs), this.#now());
    let [texts, tokens] = [0, 0];
    for await (const { rows } of store.read(days))
      for (const { name, totals } of rows) {
        if (name.job !== job) continue;
        texts += Number(totals.computed);
        tokens += Number(totals.tokens);
      }
    return { texts, tokens };
  }

  /** Books at once what has no operation. */
  record(entry: LedgerEntry): void {
    const row = this.#row(entry.model, entry.key, entry.tag ?? '');
    row.texts += entry.texts ?? 0;
    row.hits += entry.hits ?? 0;
    row.computed += entry.computed ?? 0;
    row.tokens += entry.tokens ?? 0;
    row.tokensEstimated += entry.tokensEstimated ?? 0;
    row.addCost(entry.costUsd ?? 0);
    row.addSaved(entry.savedUsd ?? 0);
  }

  /** The row of today, which is about to change. */
  #row(model: string, key: string, tag: string, job?: string): Row {
    if (this.#now() >= this.#today.end) this.#turnDay();
    const row = this.#today.row(model, key, tag, job);
    if (!row.isChanged) {
      row.isChanged = true;
      this.#today.changed.push(row);
    }
    return row;
  }

  #turnDay(): void {
    this.#today = new OwnDay(dayOf(this.#now()));
    this.#days.push(this.#today);
    if (!this.#store) this.#forgetOldDays();
  }

  /** Without a store the days stay here. */
  #forgetOldDays(): void {
    let rows = this.#days.reduce((sum, day) => sum + day.rows.length, 0);
    const oldest = this.#now() - keptDays * dayMs;
    while (this.#days.length > 1 && (this.#days[0]!.end < oldest || rows > mostRowsInMemory))
      rows -= this.#days.shift()!.rows.length;
  }

  #tick(): void {
    const now = this.#now();
    if (now >= this.#today.end) this.#turnDay();
    const isIdle =
      this.#days.length === 1 && this.#today.changed.length === 0 && this.#failingSince === undefined;
    if (!isIdle || now - this.#writtenAt >= beatMs) void this.#write();
  }

  /**
   * Writes what has changed. Never rejects.
   * @returns whether the store has all of it
   */
  flush(): Promise<boolean> {
    // What is being written may have been begun before the last change.
    return this.#writing ? this.#writing.then(() => this.#write()) : this.#write();
  }

  #write(): Promise<boolean> {
    if (!this.#store) return Promise.resolve(true);
    this.#writing ??= this.#writeDays(this.#store).finally(() => {
      this.#writing = undefined;
    });
    return this.#writing;
  }

  async #writeDays(store: BookStore): Promise<boolean> {
    const now = this.#now();
    if (now - this.#wroteAllAt >= (store.repeatMs ?? Number.POSITIVE_INFINITY)) {
      this.#wroteAllAt = now;
      for (const day of this.#days) day.needsAll = true;
    }
    try {
      for (const day of [...this.#days]) {
        do await this.#writeDay(store, day);
        while (
          // Midnight may have come meanwhile.
          day !== this.#today &&
          day.changed.length > 0
        );
        if (day === this.#today) continue;
        await store.finish(day.name);
        this.#days.splice(this.#days.indexOf(day), 1);
      }
      this.#writtenAt = now;
      this.#recovered();
      return true;
    } catch (error) {
      this.#failed(error);
      return false;
    }
  }

  async #writeDay(store: BookStore, day: OwnDay): Promise<void> {
    const isAll = day.needsAll;
    const rows = isAll ? [...day.rows] : day.changed;
    day.changed = [];
    day.needsAll = false;
    for (const row of rows) row.isChanged = false;
    try {
      if (await store.write(day.name, rows, isAll)) return;
      if (isAll) throw new Error('the store forgets what is written to it');
      day.needsAll = true;
    } catch (error) {
      day.needsAll = true;
      throw error;
    }
    await this.#writeDay(store, day);
  }

  #failed(error: unknown): void {
    if (this.#failingSince !== undefined) return;
    this.#failingSince = this.#now();
    this.#log.warn(
      { err: error },
      'the ledger cannot be written; its figures wait in memory, and a crash would lose them',
    );
  }

  #recovered(): void {
    if (this.#failingSince === undefined) return;
    const seconds = Math.round(this.behindMs / 1_000);
    this.#failingSince = undefined;
    this.#log.info({ seconds }, 'the ledger is written again, with all that had waited');
  }

  /**
   * Adds up what was booked. What this process has booked is in it to the last text, what other replicas have but for their
   * last second. Where the store does not answer, it is what this process knows.
   * @throws EmbedQLError BAD_USER_INPUT naming `from`, `to` or `groupBy`; OVERLOADED where many ask at the same time
   */
  async spend(query: SpendQuery): Promise<Spend[]> {
    const days = readDays(query.from, query.to, this.#now());
    return this.#questions.ask(() => this.#sum(query, days));
  }

  async #sum(query: SpendQuery, days: readonly string[]): Promise<Spend[]> {
    const store = this.#store;
    if (!store) return this.#sumOwn(query, days);
    const isWritten = await within(flushWaitMs, this.flush());
    try {
      const rows = await readLedger(store, query, this.#now());
      return isWritten ? rows : rows.map((row) => ({ ...row, lossy: true }));
    } catch (error) {
      if (error instanceof EmbedQLError) throw error;
      this.#log.warn({ err: error }, 'the ledger cannot be read; spend shows what this process knows');
      return this.#sumOwn(query, days);
    }
  }

  #sumOwn(query: SpendQuery, days: readonly string[]): Spend[] {
    const sum = new SpendSum(query);
    for (const day of this.#days) if (days.includes(day.name)) sum.add(day.name, day.book(), true);
    checkSize(sum);
    return sum.result();
  }

  /** Writes what is left, and says that nothing is missing. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#timer);
    if (!this.#store) return;
    if (await this.flush()) await this.#store.finish(this.#today.name).catch(() => {});
    await this.#store.close();
  }
}

/** What `work` comes to, or false when the time is up. */
async function within(ms: number, work: Promise<boolean>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const timeIsUp = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  return Promise.race([work, timeIsUp]).finally(() => clearTimeout(timer));
}
