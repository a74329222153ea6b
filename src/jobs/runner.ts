import type { KeyBudgets } from '../admission/key-budgets.ts';
import type { Purse } from '../admission/purse.ts';
import type { Batches } from '../core/batches.ts';
import type { Catalogue } from '../core/catalogue.ts';
import type { Clock } from '../core/clock.ts';
import type { Embedder } from '../core/embedder.ts';
import { describeError, type NameOption, toEmbedQLError } from '../core/errors.ts';
import type { EmbeddingModel } from '../core/model.ts';
import type { Log } from '../core/surroundings.ts';
import { computeJob } from './compute.ts';
import { type DayOptions, DayPurchases, type JobBooks } from './day.ts';
import { isOver } from './job.ts';
import { JobRun, SupersededError } from './job-run.ts';
import { LostError } from './store-errors.ts';
import type { RunJob, Vault } from './vault.ts';

export interface RunnerOptions {
  vault: Vault;
  catalogue: Catalogue;
  embedder: Embedder;
  budgets: Pick<KeyBudgets, 'adoptPurse'>;
  books: JobBooks;
  clock: Clock;
  log: Log;
  nameOption: NameOption;
  /** Texts that may wait for a model. */
  queueLimit: number;
  /** Milliseconds that results are kept. */
  keepMs: number;
  /** Where what comes back from providers lies for a while; nothing of it is a text. */
  spoolFolder: string;
}

/** Carries out jobs, one call for each; any that was begun before is gone on with. */
export function createRunner(options: RunnerOptions): RunJob {
  const { vault, catalogue, embedder, budgets, clock, log, nameOption, queueLimit, keepMs } = options;
  return async (id, signal) => {
    const taken = await vault.records.takeUp(id);
    if (!taken || isOver(taken)) return;
    const run = new JobRun(taken, signal, { vault, clock, log, nameOption });
    const purse = budgets.adoptPurse(taken.key, id, taken.money, taken.tag);
    try {
      if (await run.wasCancelled()) return await cancel();
      await run.save({ status: 'RUNNING', startedAt: taken.startedAt ?? clock.date() });
      const model = catalogue.get(taken.model);
      // A model that cannot be used at all is an error of the job, not of every text.
      await model.identity();
      const { batches } = model;
      if (run.job.deadline === 'DAY' && batches && !run.job.averages) {
        await workWithinDay(model, batches);
        if (isOver(run.job)) return;
      } else {
        await computeJob(run, { embedder, model, purse, clock, queueLimit });
        if (!run.signal.aborted) return await end('DONE');
      }
      if (await run.wasCancelled()) return await cancel();
      // It goes on later, or elsewhere.
    } catch (error) {
      if (error instanceof SupersededError) return;
      // Without its texts nothing more becomes of it, whether or not it was cancelled.
      if (run.signal.aborted && !(error instanceof LostError)) {
        if (!(await run.wasCancelled())) throw error;
        return await cancel().catch(fail).catch(unlessSuperseded);
      }
      await fail(error).catch(unlessSuperseded);
    } finally {
      run.end();
      purse.leave();
    }

    async function workWithinDay(model: EmbeddingModel, batches: Batches): Promise<void> {
      const purchases = await DayPurchases.begin(run, dayOptions(model, batches, purse, signal, options));
      try {
        await purchases.buy();
        await computeJob(run, {
          embedder,
          model,
          purse,
          clock,
          queueLimit,
          known: (texts) => purchases.known(texts),
          committed: (texts, outcomes) => purchases.committed(texts, outcomes),
        });
        if (run.signal.aborted) return;
        await end('DONE');
        await purchases.leave();
      } finally {
        await purchases.close();
      }
    }

    /** @throws what may pass: a fault of ours, or of the store's */
    async function fail(error: unknown): Promise<void> {
      const failure = toEmbedQLError(error);
      if (failure.code === 'INTERNAL_SERVER_ERROR' || failure.retryable) throw error;
      const told = { failure: { code: failure.code, message: describeError(failure, nameOption) } };
      if (error instanceof LostError) await endSettled((purchases) => purchases.settleLost(), 'FAILED', told);
      else await end('FAILED', told);
    }

    function cancel(): Promise<void> {
      return endSettled((purchases) => purchases.settle(), 'CANCELLED');
    }

    /** Ends the job once what is at the provider has ended: it is paid, so that it is taken and booked all the same. */
    async function endSettled(
      settle: (purchases: DayPurchases) => Promise<void>,
      ...how: Parameters<typeof end>
    ): Promise<void> {
      const batches = catalogue.all().find(({ spec }) => spec.name === run.job.model)?.batches;
      if (!batches || run.job.batches.length === 0) return end(...how);
      const model = catalogue.get(run.job.model);
      const purchases = await DayPurchases.begin(run, dayOptions(model, batches, purse, signal, options));
      try {
        await settle(purchases);
        await end(...how);
        await purchases.leave();
      } finally {
        await purchases.close();
      }
    }

    async function end(
      ...[status, change]: [status: 'DONE' | 'FAILED' | 'CANCELLED', change?: object]
    ): Promise<void> {
      await run.finish(status, keepMs, change);
      purse.close();
      // Other jobs may buy what this one has not brought.
      await vault.records.release(id).catch(() => {});
      const { done, failed, cached } = run.job;
      log.info({ job: id, key: run.job.key, status, done, failed, cached }, 'job ended');
    }
  };
}

function unlessSuperseded(error: unknown): void {
  if (!(error instanceof SupersededError)) throw error;
}

function dayOptions(
  model: EmbeddingModel,
  batches: Batches,
  purse: Purse,
  signal: AbortSignal,
  { vault: { records }, books, embedder, clock, log, spoolFolder }: RunnerOptions,
): DayOptions {
  return { records, books, embedder, model, batches, purse, clock, log, spoolFolder, signal };
}
