import type { Batches, BatchMark, BatchText } from '../core/batches.ts';
import type { Clock } from '../core/clock.ts';
import { EmbedQLError, toEmbedQLError } from '../core/errors.ts';
import type { TextKind } from '../core/model.ts';
import type { Log } from '../core/surroundings.ts';
import type { ProviderBatch } from './job.ts';
import type { JobRun } from './job-run.ts';
import { sleepUnless } from './patience.ts';

/** Milliseconds until the first look at a batch, doubled for each further one, and at the most. */
const firstLookMs = 1_000;
const longestLookMs = 60_000;

/** Milliseconds that a provider may take until a batch that was handed in stands in its list. */
const settlingMs = 2_000;

/** Milliseconds after which a batch of which nothing can be learned has ended: longer than any provider takes. */
const lostMs = 30 * 3_600_000;

export interface BatchContext {
  run: JobRun;
  batches: Batches;
  clock: Clock;
  log: Log;
  /** Aborts when this process lets go of the job. */
  signal: AbortSignal;
}

/** What a batch of a job is found again by. */
function markOf({ job }: JobRun, number: number): BatchMark {
  return { embedql_job: job.id, embedql_batch: String(number) };
}

/**
 * Hands texts in as a batch of a job. It is written down before the provider hears of it, and looked for after every failure,
 * so that it is never there twice.
 * @throws whatever the signal ends it with
 */
export async function submitBatch(
  { run, batches, clock, log, signal }: BatchContext,
  texts: readonly BatchText[],
  range: { from: number; to: number },
  kind: TextKind,
): Promise<void> {
  const number = run.job.batches.length;
  const batch: ProviderBatch = {
    number,
    state: 'submitting',
    since: clock.date(),
    texts: texts.length,
    ...range,
  };
  await run.save({ batches: [...run.job.batches, batch] });
  const mark = markOf(run, number);
  for (let waitMs = firstLookMs; ; waitMs = Math.min(longestLookMs, waitMs * 2)) {
    try {
      const id = await batches.submit(texts, { kind, mark, signal });
      return await change(run, number, { state: 'submitted', id });
    } catch (error) {
      if (signal.aborted) throw error;
      const failure = toEmbedQLError(error);
      log.warn(
        { job: run.job.id, batch: number, code: failure.code, waitMs },
        'A batch could not be handed in',
      );
      if (!failure.retryable)
        return await change(run, number, { state: 'ended', outputs: [], problem: failure.message });
      // The provider may have taken it all the same.
      const id = await findBatch({ run, batches, clock, log, signal }, batch);
      if (id !== undefined) return await change(run, number, { state: 'submitted', id });
      await pause(clock, waitMs, signal);
    }
  }
}

/** The id of a batch that may or may not have been handed in. Asks until the provider answers. */
async function findBatch(
  { run, batches, clock, signal }: BatchContext,
  { number, since }: ProviderBatch,
): Promise<string | undefined> {
  const mark = markOf(run, number);
  const find = () =>
    insist(clock, signal, () => batches.find(mark, since, signal)).catch((error: unknown) => {
      if (signal.aborted) throw error;
      // Whoever is not told of batches cannot have handed one in.
      return undefined;
    });
  const id = await find();
  if (id !== undefined) return id;
  await pause(clock, settlingMs, signal);
  return find();
}

/** Finds batches again that were being handed in when the job was left. One that is not there has ended. */
export async function recoverBatches(context: BatchContext): Promise<void> {
  const { run } = context;
  for (const batch of run.job.batches) {
    if (batch.state !== 'submitting') continue;
    const id = await findBatch(context, batch);
    await change(
      run,
      batch.number,
      id === undefined
        ? { state: 'ended', outputs: [], problem: 'it was not handed in' }
        : { state: 'submitted', id },
    );
  }
}

/** Waits until every batch of the job has ended. @param cancels whether the provider is asked to end them */
export async function awaitBatches(context: BatchContext, cancels = false): Promise<void> {
  const open = context.run.job.batches.filter(({ state }) => state === 'submitted');
  await Promise.all(open.map((batch) => awaitBatch(context, batch, cancels)));
}

async function awaitBatch(
  { run, batches, clock, log, signal }: BatchContext,
  { number, id, since }: ProviderBatch,
  cancels: boolean,
): Promise<void> {
  if (cancels)
    await batches.cancel(id!, signal).catch((error: unknown) => {
      // One that has ended cannot be cancelled; another one ends by itself.
      log.warn(
        { job: run.job.id, batch: number, code: toEmbedQLError(error).code },
        'A batch could not be cancelled',
      );
    });
  for (let waitMs = firstLookMs; ; waitMs = Math.min(longestLookMs, waitMs * 2)) {
    await pause(clock, waitMs, signal);
    try {
      const { state, outputs, problem } = await batches.look(id!, signal);
      if (state !== 'ended') continue;
      if (problem !== undefined)
        log.warn(
          { job: run.job.id, batch: number, problem },
          'A batch has not gone through; its rest is bought again',
        );
      return await change(run, number, { state, outputs, problem });
    } catch (error) {
      if (signal.aborted || !(error instanceof EmbedQLError)) throw error;
      log.warn(
        { job: run.job.id, batch: number, code: error.code },
        'A batch cannot be looked at; that is tried again',
      );
      if (clock.date() - since > lostMs)
        return await change(run, number, { state: 'ended', outputs: [], problem: 'it is lost' });
    }
  }
}

async function change(run: JobRun, number: number, by: Partial<ProviderBatch>): Promise<void> {
  await run.save({
    batches: run.job.batches.map((batch) => (batch.number === number ? { ...batch, ...by } : batch)),
  });
}

/** Refusals in a row that are believed. */
const mostRefusals = 5;

/** Tries until it works, the signal aborts, or it has been refused several times. */
export async function insist<Result>(
  clock: Clock,
  signal: AbortSignal,
  work: () => Promise<Result>,
): Promise<Result> {
  let refusals = 0;
  for (let waitMs = firstLookMs; ; waitMs = Math.min(longestLookMs, waitMs * 2)) {
    try {
      return await work();
    } catch (error) {
      refusals = error instanceof EmbedQLError && !error.retryable ? refusals + 1 : 0;
      if (signal.aborted || refusals >= mostRefusals) throw error;
      await pause(clock, waitMs, signal);
    }
  }
}

/** @throws once the signal aborts */
async function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  await sleepUnless(clock, ms, signal);
  signal.throwIfAborted();
}
