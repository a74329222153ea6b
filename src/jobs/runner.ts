import type { KeyBudgets } from '../admission/key-budgets.ts';
import type { Purse } from '../admission/purse.ts';
import type { Catalogue } from '../core/catalogue.ts';
import type { Clock } from '../core/clock.ts';
import type { Embedder } from '../core/embedder.ts';
import { describeError, type NameOption, toEmbedQLError } from '../core/errors.ts';
import type { EmbeddingModel } from '../core/model.ts';
import type { Log } from '../core/surroundings.ts';
import { computeJob } from './compute.ts';
import { isOver } from './job.ts';
import { JobRun, SupersededError } from './job-run.ts';
import type { RunJob, Vault } from './vault.ts';

export interface RunnerOptions {
  vault: Vault;
  catalogue: Catalogue;
  embedder: Embedder;
  budgets: Pick<KeyBudgets, 'adoptPurse'>;
  clock: Clock;
  log: Log;
  nameOption: NameOption;
  /** Texts that may wait for a model. */
  queueLimit: number;
  /** Milliseconds that results are kept. */
  keepMs: number;
}

/** Carries out jobs, one call for each; any that was begun before is gone on with. */
export function createRunner(options: RunnerOptions): RunJob {
  const { vault, catalogue, budgets, clock, log, nameOption, keepMs } = options;
  return async (id, signal) => {
    const taken = await vault.records.takeUp(id);
    if (!taken || isOver(taken)) return;
    const run = new JobRun(taken, signal, { vault, clock, log, nameOption });
    const purse = budgets.adoptPurse(taken.key, id, taken.money);
    try {
      if (await run.wasCancelled()) return await end('CANCELLED');
      await run.save({ status: 'RUNNING', startedAt: taken.startedAt ?? clock.date() });
      const model = catalogue.get(taken.model);
      // A model that cannot be used at all is an error of the job, not of every text.
      await model.identity();
      await work(run, model, purse, options);
      if (!run.signal.aborted) return await end('DONE');
      if (await run.wasCancelled()) return await end('CANCELLED');
      // It goes on later, or elsewhere.
    } catch (error) {
      if (error instanceof SupersededError) return;
      if (run.signal.aborted) throw error;
      const failure = toEmbedQLError(error);
      // A fault of ours, or of the store's: it may pass.
      if (failure.code === 'INTERNAL_SERVER_ERROR' || failure.retryable) throw error;
      await end('FAILED', { failure: { code: failure.code, message: describeError(failure, nameOption) } });
    } finally {
      run.end();
      purse.leave();
    }

    async function end(
      ...[status, change]: [status: 'DONE' | 'FAILED' | 'CANCELLED', change?: object]
    ): Promise<void> {
      await run.finish(status, keepMs, change);
      purse.close();
      const { done, failed, cached } = run.job;
      log.info({ job: id, key: run.job.key, status, done, failed, cached }, 'job ended');
    }
  };
}

async function work(run: JobRun, model: EmbeddingModel, purse: Purse, options: RunnerOptions): Promise<void> {
  const { embedder, clock, queueLimit } = options;
  await computeJob(run, { embedder, model, purse, clock, queueLimit });
}
