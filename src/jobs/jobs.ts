import { randomBytes } from 'node:crypto';
import type { Admission } from '../admission/admission.ts';
import type { KeyBudgets } from '../admission/key-budgets.ts';
import type { Catalogue } from '../core/catalogue.ts';
import { type Clock, systemClock } from '../core/clock.ts';
import type { Embedder } from '../core/embedder.ts';
import { badUserInput, describeError, EmbedQLError, type NameOption } from '../core/errors.ts';
import type { TextKind } from '../core/model.ts';
import type { Log } from '../core/surroundings.ts';
import { type EmbeddingWish, type LongText, readWish } from '../core/wish.ts';
import type { JobBooks } from './day.ts';
import { Estimator } from './estimate.ts';
import { type DecodeTokens, Files } from './files.ts';
import { BlobWriter, type TakenIn, takeIn, tooManyJobTexts } from './intake.ts';
import {
  type Asker,
  type BatchDoorRecord,
  costOfJob,
  type Deadline,
  isOver,
  type JobRecord,
  type JobStatus,
  sees,
} from './job.ts';
import { layoutOf, resultsOf, textsOf } from './job-run.ts';
import type { LineLimits } from './lines.ts';
import { filesPath, outputFileId } from './names.ts';
import { patienceForClients } from './patience.ts';
import { createRunner } from './runner.ts';
import { StoreErrors } from './store-errors.ts';
import type { Crew, Vault } from './vault.ts';

/** What a job is made from. */
export interface JobRequest {
  /** The texts, or the id of a file that has them. */
  readonly texts: AsyncIterable<string> | Iterable<string> | { readonly file: string };
  readonly model?: string | null | undefined;
  readonly kind?: TextKind | null | undefined;
  readonly dimensions?: number | null | undefined;
  readonly deadline?: Deadline | null | undefined;
  /** Default: true. */
  readonly truncate?: boolean;
  /** Default: what `truncate` says. */
  readonly longText?: LongText | null | undefined;
  /** Whether a text of white space is one. Default: false. */
  readonly takesBlank?: boolean;
  /** What OpenAI's door keeps with it, written once the texts have been read. */
  readonly door?: () => { record: Omit<BatchDoorRecord, 'layoutBytes'>; layout: Buffer };
}

/** A job, as it is shown. */
export interface JobView extends Omit<JobRecord, 'status'> {
  readonly status: JobStatus;
  readonly costUsd: number;
}

export interface JobsOptions {
  /** Opens what jobs are kept in. @returns undefined while another process has it */
  open(): Promise<{ vault: Vault; crew: Crew } | undefined>;
  /** Why there are no jobs on this server; undefined where there are. */
  unavailable: string | undefined;
  catalogue: Catalogue;
  embedder: Embedder;
  admission: Admission;
  budgets: KeyBudgets;
  books: JobBooks;
  nameOption: NameOption;
  /** For files whose texts are lists of tokens. */
  decodeTokens: DecodeTokens;
  log: Log;
  /** Texts of one job. */
  maxTexts: number;
  /** Bytes of one file. */
  maxFileBytes: number;
  /** What one line of a file may be. */
  lines: LineLimits;
  /** Texts that may wait for a model. */
  queueLimit: number;
  /** Milliseconds that results and files are kept. */
  keepMs: number;
  /** Where what comes back from providers lies for a while; nothing of it is a text. */
  spoolFolder: string;
  /** What stands in front of every path. Default: nothing. */
  basePath?: string;
  /** Default: the real time. */
  clock?: Clock;
}

interface Opened {
  readonly vault: Vault;
  readonly crew: Crew;
  readonly files: Files;
}

/** Milliseconds that money stays set aside for a job that nobody goes on with. */
const moneyMs = 26 * 3_600_000;

/** Milliseconds between two looks for what has been kept long enough. */
const sweepMs = 600_000;

/** Jobs of one key that may be waiting or running. */
const mostUnfinished = 1_000;

/** Milliseconds that jobs may take to let go when the server stops. */
const closeMs = 3_000;

/** Milliseconds between two attempts to open what jobs are kept in. */
const openAgainMs = 5_000;

/** Milliseconds after which whoever has lost a job has let go of it. */
const cancelAgainMs = 2_000;

/** Milliseconds between two looks at a job whose progress is followed. */
const followMs = 200;

/** Estimates, jobs and files: all that doors ask of this room. */
export class Jobs {
  readonly #options: JobsOptions;
  readonly #clock: Clock;
  readonly #errors: StoreErrors;
  #opening: Promise<Opened> | undefined;
  #sweeping: ReturnType<typeof setInterval> | undefined;
  #isClosed = false;
  #problem: string | undefined;

  constructor(options: JobsOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#errors = new StoreErrors(options.log);
  }

  /** Texts of one job. */
  get maxTexts(): number {
    return this.#options.maxTexts;
  }

  /** What keeps this server from jobs until somebody changes its settings, and what to do; undefined for nothing. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Opens what jobs are kept in, and goes on with those that are there. Never rejects: whoever asks for a job tries again. */
  async ready(): Promise<void> {
    if (this.#options.unavailable !== undefined || this.#isClosed) return;
    await this.#open().then(
      () => {
        this.#problem = undefined;
      },
      (error: unknown) => {
        this.#tellOnce(error);
        // Redis may be away, or another process has the folder: jobs that wait must not wait for somebody to ask.
        this.#clock.after(openAgainMs, () => void this.ready()).unref?.();
      },
    );
  }

  /** Whoever runs the server has to do something, and nobody may ask for a job. */
  #tellOnce(error: unknown): void {
    if (!(error instanceof EmbedQLError) || error.hint !== 'jobSecret') return;
    const problem = describeError(error, this.#options.nameOption);
    if (problem !== this.#problem) this.#options.log.error({ problem }, 'There are no jobs on this server');
    this.#problem = problem;
  }

  /** The files of clients. @throws EmbedQLError where there are none on this server */
  async files(): Promise<Files> {
    return (await this.#open()).files;
  }

  /**
   * Takes a job: reads its texts, and sets aside what it can cost. Nothing has been computed when this resolves.
   * @throws EmbedQLError where it is refused: BAD_USER_INPUT, MODEL_NOT_FOUND, COST_LIMIT_EXCEEDED, RATE_LIMITED and others
   */
  create(request: JobRequest, asker: Asker): Promise<JobView> {
    return this.#errors.tell(() => this.#create(request, asker));
  }

  async #create(request: JobRequest, asker: Asker): Promise<JobView> {
    const { catalogue, admission, budgets, maxTexts, log } = this.#options;
    const { vault, crew, files } = await this.#open();
    const { key } = asker;
    const { texts, model: named } = await this.#source(request, asker, files);
    const { dimensions, truncate, longText } = request;
    const wish = readWish({ model: named, dimensions, truncate, longText }, catalogue);
    const { model } = wish;
    const takesBatches = model.batches !== undefined;
    if (wish.pieces && takesBatches && request.deadline === 'DAY') throw noAveragesWithinDay();
    await model.identity();
    const unfinished = (await vault.records.list('jobs', key, 2 * mostUnfinished)).filter(
      (job) => !isOver(job),
    );
    if (unfinished.length >= mostUnfinished) throw tooManyJobs(mostUnfinished);
    const id = `job_${randomBytes(12).toString('hex')}`;
    const kind = request.kind ?? 'doc';
    const estimator = budgets.limitsMoney(key)
      ? new Estimator(
          this.#options.embedder,
          model,
          (text) => wish.request(text, kind),
          { key },
          patienceForClients,
        )
      : undefined;
    try {
      const taken = await takeIn(texts, maxTexts, new BlobWriter(vault.texts, textsOf(id)), (some, left) =>
        this.#measure(some, left, { wish, kind, key, estimator }),
      );
      if (taken.total === 0) throw badUserInput('The job has no texts; give it at least one.');
      await admission.admitJob(key, taken.pieces);
      const { costUsd, costUsdWithinDay } = estimator?.result() ?? { costUsd: 0, costUsdWithinDay: 0 };
      const usd = (request.deadline === 'DAY' && takesBatches ? costUsdWithinDay : costUsd) ?? 0;
      const purse = await budgets.openPurse(key, id, usd, moneyMs);
      try {
        const record = this.#newRecord(id, asker, request, wish, taken, vault.home);
        const door = await this.#keepDoor(id, request, vault);
        const job = { ...record, money: purse.kept, ...(door && { door }) };
        await vault.records.add('jobs', job);
        // Whoever runs it goes on with the money.
        purse.leave();
        // It is taken: whatever keeps it out of the line, the next look puts it there.
        await crew
          .add(job)
          .catch((error: unknown) => log.warn({ err: error, job: id }, 'a job waits to be put in line'));
        log.info({ job: id, key, model: job.model, texts: job.total, deadline: job.deadline }, 'job taken');
        return this.#view(job);
      } catch (error) {
        purse.close();
        throw error;
      }
    } catch (error) {
      await this.#forget(id, vault).catch(() => {});
      if (error instanceof EmbedQLError) admission.refuseJob(key, error);
      throw error;
    }
  }

  /** @returns how many pieces the texts have beside one of each. @throws EmbedQLError where there are more than `left` */
  async #measure(
    texts: readonly string[],
    left: number,
    {
      wish,
      kind,
      key,
      estimator,
    }: { wish: EmbeddingWish; kind: TextKind; key: string; estimator: Estimator | undefined },
  ): Promise<number> {
    const { maxTexts, embedder } = this.#options;
    const asking = {
      payer: { key },
      textsLeft: left,
      draw: (pieces: readonly unknown[]) => {
        if (pieces.length > left) throw tooManyJobTexts(maxTexts);
      },
    };
    if (estimator) return estimator.add(texts, asking);
    if (!wish.pieces) return 0;
    const requests = texts.map((text) => wish.request(text, kind));
    const { requests: pieces, refusal } = await embedder.expand(requests, asking);
    if (refusal) throw refusal;
    return pieces.length - texts.length;
  }

  /** A store that has failed may have kept the record: nobody must find it, and not the texts. */
  async #forget(id: string, { records, texts }: Vault): Promise<void> {
    await records.remove('jobs', id);
    await Promise.all([texts.remove(textsOf(id)), texts.remove(layoutOf(id))]);
  }

  /** Where the texts of a request come from, and the model that they are for. */
  async #source({ texts, model }: JobRequest, asker: Asker, files: Files) {
    if (!('file' in texts)) return { texts, model };
    const file = await files.get(texts.file, asker);
    if (!file) throw badUserInput('There is no file of that id; send one to /v1/files first.');
    const named = model ?? (await files.modelOf(file));
    return {
      texts: files.texts(file, this.#options.decodeTokens, model == null ? named : undefined),
      model: named,
    };
  }

  /** A job that belongs to whoever asks; undefined where there is none of that id. */
  async get(id: string, asker: Asker): Promise<JobView | undefined> {
    const { vault } = await this.#open();
    const job = await this.#errors.tell(() => vault.records.get('jobs', id));
    return job && sees(asker, job) ? this.#view(job) : undefined;
  }

  /** The newest jobs of whoever asks; none where there is no place for any. */
  async list(most: number, { key, seesAll }: Asker): Promise<JobView[]> {
    if (this.#options.unavailable !== undefined) return [];
    const { vault } = await this.#open();
    const jobs = await this.#errors.tell(() => vault.records.list('jobs', seesAll ? undefined : key, most));
    return jobs.map((job) => this.#view(job));
  }

  /**
   * Ends a job. What it has is kept; what is at the provider already is paid, read and cached all the same. One that is over
   * stays as it is.
   * @returns undefined where there is none of that id
   */
  async cancel(id: string, asker: Asker): Promise<JobView | undefined> {
    const { vault, crew } = await this.#open();
    const job = await this.get(id, asker);
    if (!job || job.finishedAt !== undefined) return job;
    await this.#errors.tell(() => vault.records.cancel(id));
    // Whoever runs it sees that soon. One that nobody runs is ended here.
    if (job.status === 'QUEUED') await this.#errors.tell(() => this.#endQueued(id, vault, crew));
    return this.get(id, asker);
  }

  async #endQueued(id: string, vault: Vault, crew: Crew): Promise<void> {
    const job = await vault.records.takeUp(id);
    if (!job) return;
    if (job.status !== 'QUEUED') {
      // Somebody has begun with it meanwhile, and has lost it to us: it is to be ended as one that was begun.
      if (!isOver(job)) this.#clock.after(cancelAgainMs, () => void crew.add(job).catch(() => {}));
      return;
    }
    const now = this.#clock.date();
    const ended = {
      ...job,
      status: 'CANCELLED',
      finishedAt: now,
      endsAt: now + this.#options.keepMs,
    } as const;
    if (!(await vault.records.save({ ...ended, money: undefined }))) return;
    this.#options.budgets.adoptPurse(job.key, id, job.money).close();
    await vault.texts.remove(textsOf(id));
  }

  /** A job as it is now, and after each change until it is over. @param signal ends it earlier */
  async *follow(id: string, asker: Asker, signal: AbortSignal): AsyncGenerator<JobView, void, void> {
    let seen = '';
    while (!signal.aborted) {
      const job = await this.get(id, asker);
      if (!job) return;
      const now = JSON.stringify([job.status, job.done, job.failed, job.finishedAt]);
      if (now !== seen) yield job;
      seen = now;
      if (job.finishedAt !== undefined) return;
      await new Promise<void>((resolve) => {
        this.#clock.after(followMs, resolve);
      });
    }
  }

  /** Where the results of a job are, as a path. */
  resultPath(id: string): string {
    return `${this.#options.basePath ?? ''}${filesPath}/${outputFileId(id, 'results')}/content`;
  }

  /** What is complete of the results: lines of JSON, in order. undefined where they have been deleted. */
  async results(
    id: string,
    asker: Asker,
  ): Promise<
    | { job: JobView; bytes: number; read(from: number, to: number): AsyncGenerator<Buffer, void, void> }
    | undefined
  > {
    const { vault } = await this.#open();
    const job = await this.get(id, asker);
    if (!job || job.status === 'EXPIRED') return undefined;
    const read = (from: number, to: number) =>
      this.#errors.tellStream(vault.results.read(resultsOf(id), from, to));
    return { job, bytes: job.resultBytes, read };
  }

  /** What OpenAI's door has kept with a job. */
  async *layout(job: Pick<JobRecord, 'id' | 'door'>): AsyncGenerator<Buffer, void, void> {
    const { vault } = await this.#open();
    if (job.door) yield* this.#errors.tellStream(vault.texts.read(layoutOf(job.id), 0, job.door.layoutBytes));
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#sweeping);
    const opened = await this.#opening?.catch(() => undefined);
    if (!opened) return;
    await this.#let(opened);
  }

  /** Lets go of everything. Whatever a store that does not answer keeps waiting is gone on with after the next start. */
  async #let({ vault, crew }: Pick<Opened, 'vault' | 'crew'>): Promise<void> {
    const late = new Promise<void>((resolve) => void this.#clock.after(closeMs, resolve).unref?.());
    await Promise.race([crew.close().catch(() => {}), late]);
    await vault.close();
  }

  #open(): Promise<Opened> {
    const { unavailable } = this.#options;
    if (unavailable !== undefined) return Promise.reject(badUserInput(unavailable));
    this.#opening ??= this.#errors
      .tell(() => this.#openNow())
      .catch((error: unknown) => {
        this.#opening = undefined;
        throw error;
      });
    return this.#opening;
  }

  async #openNow(): Promise<Opened> {
    const opened = await this.#options.open();
    if (!opened)
      throw new EmbedQLError(
        'OVERLOADED',
        'Another process has the jobs of this folder; ask that one, or try again once it has ended.',
        { retryAfterMs: 1_000 },
      );
    if (this.#isClosed) {
      await opened.vault.close();
      throw new EmbedQLError('OVERLOADED', 'This server has shut down; use another one.', {
        retryAfterMs: 1_000,
      });
    }
    try {
      return await this.#start(opened);
    } catch (error) {
      // Whoever opens it again must not find it held by this attempt.
      await this.#let(opened).catch(() => {});
      throw error;
    }
  }

  async #start({ vault, crew }: Pick<Opened, 'vault' | 'crew'>): Promise<Opened> {
    const { log, maxFileBytes, lines, keepMs } = this.#options;
    const parts = { clock: this.#clock, errors: this.#errors };
    const files = new Files(vault, { maxFileBytes, lines, keepMs, ...parts });
    // What they can cost stays set aside while they wait.
    for (const job of await vault.records.list('jobs', undefined, Number.MAX_SAFE_INTEGER))
      if (!isOver(job)) this.#options.budgets.adoptPurse(job.key, job.id, job.money).leave();
    await crew.start(createRunner({ ...this.#options, vault, clock: this.#clock }));
    const sweep = () =>
      this.#sweep({ vault, crew, files }).catch((error: unknown) =>
        log.warn({ err: error }, 'Old jobs and files could not be deleted; that is tried again'),
      );
    this.#sweeping = setInterval(() => void sweep(), sweepMs);
    this.#sweeping.unref();
    void sweep();
    return { vault, crew, files };
  }

  /** Deletes what has been kept long enough, and texts of jobs that are over; puts those in line that nobody has. The record of a job is kept twice as long. */
  async #sweep({ vault, crew, files }: Opened): Promise<void> {
    const now = this.#clock.date();
    for (const job of await vault.records.list('jobs', undefined, Number.MAX_SAFE_INTEGER)) {
      if (!isOver(job)) {
        if (job.home === vault.home) await crew.add(job);
        continue;
      }
      await vault.texts.remove(textsOf(job.id));
      if (now < (job.endsAt ?? now)) continue;
      await vault.results.remove(resultsOf(job.id));
      await vault.texts.remove(layoutOf(job.id));
      if (now >= (job.endsAt ?? now) + this.#options.keepMs) await vault.records.remove('jobs', job.id);
    }
    await files.sweep();
  }

  #newRecord(
    id: string,
    { key, tag }: Asker,
    { kind, deadline, takesBlank }: JobRequest,
    { model, dimension, truncate, pieces }: EmbeddingWish,
    { total, bytes }: TakenIn,
    home: string | undefined,
  ): JobRecord {
    return {
      id,
      key,
      ...(tag === undefined ? {} : { tag }),
      epoch: 0,
      createdAt: this.#clock.date(),
      status: 'QUEUED',
      model: model.spec.name,
      kind: kind ?? 'doc',
      dimensions: dimension,
      truncate,
      ...(pieces ? { averages: true } : {}),
      takesBlank: takesBlank ?? false,
      deadline: deadline ?? 'NOW',
      total,
      done: 0,
      cached: 0,
      failed: 0,
      tokens: 0,
      paidTokens: 0,
      batchTokens: 0,
      textBytes: bytes,
      textsAt: 0,
      resultBytes: 0,
      batches: [],
      ...(home === undefined ? {} : { home }),
    };
  }

  async #keepDoor(id: string, { door }: JobRequest, vault: Vault): Promise<BatchDoorRecord | undefined> {
    if (!door) return undefined;
    const { record, layout } = door();
    const writer = new BlobWriter(vault.texts, layoutOf(id));
    await writer.add(layout);
    await writer.end();
    return { ...record, layoutBytes: layout.length };
  }

  #view(job: JobRecord): JobView {
    const spec = this.#options.catalogue.all().find(({ spec: { name } }) => name === job.model)?.spec;
    return { ...job, status: this.#statusOf(job), costUsd: costOfJob(job, spec) };
  }

  #statusOf(job: JobRecord): JobStatus {
    if (job.endsAt !== undefined && job.endsAt <= this.#clock.date()) return 'EXPIRED';
    return isOver(job) || job.cancelledAt === undefined ? job.status : 'CANCELLED';
  }
}

function noAveragesWithinDay(): EmbedQLError {
  return badUserInput(
    'The average of a long text (longText: AVERAGE, long_text) is not available within a day (deadline: DAY, /v1/batches) with this model; pass deadline: NOW to createEmbeddingJob, or send the pieces from embedChunks as texts.',
  );
}

function tooManyJobs(allowed: number): EmbedQLError {
  return new EmbedQLError(
    'OVERLOADED',
    `${allowed} jobs of this key are waiting or running; try again when some of them are done.`,
    { retryAfterMs: 60_000 },
  );
}
