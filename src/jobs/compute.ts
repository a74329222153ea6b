import type { Purse } from '../admission/purse.ts';
import type { Clock } from '../core/clock.ts';
import type { Embedder } from '../core/embedder.ts';
import { badUserInput } from '../core/errors.ts';
import type { EmbeddingModel } from '../core/model.ts';
import type { ModelRequest, Operation } from '../core/request.ts';
import { averaged, isEmptyText } from '../core/wish.ts';
import type { JobRecord } from './job.ts';
import type { JobRun, JobText } from './job-run.ts';
import { embedPatiently } from './patience.ts';
import type { TextOutcome } from './results.ts';

export interface ComputeOptions {
  embedder: Embedder;
  model: EmbeddingModel;
  purse: Purse;
  clock: Clock;
  /** Texts that may wait for a model, everybody's. */
  queueLimit: number;
  /** What is known of texts already, which need not be asked for; undefined for the others. */
  known?(texts: readonly JobText[]): Promise<Array<TextOutcome | undefined>>;
  /** Told of texts once their results are written down. */
  committed?(texts: readonly JobText[], outcomes: readonly TextOutcome[]): Promise<void>;
}

/** Texts that follow one another. */
interface Slice {
  readonly texts: readonly JobText[];
  /** Texts that they are for the model, about. */
  readonly weight: number;
  readonly outcomes: Promise<TextOutcome[]>;
  isReady: boolean;
}

/** Texts of a slice, and texts of a job that are under way at the same time, at the most. */
const mostTogether = 50;
const mostUnderWay = 2_000;

/** Texts that are written down together. */
const mostCommitted = 100;

const emptyText = badUserInput('The text is empty; pass a text to embed.');

/** Computes the texts of a job from the first that is not done, and writes their results in order. */
export async function computeJob(run: JobRun, options: ComputeOptions): Promise<void> {
  const { model } = options;
  const size = Math.min(model.spec.maxBatchSize, mostTogether);
  // Enough to keep the provider busy, and no more than a part of the line.
  const most = Math.max(
    1,
    Math.min(model.concurrency * size, mostUnderWay, Math.floor(options.queueLimit / 4)),
  );
  const slices = slicesOf(run, Math.min(size, most), model);
  const underWay: Slice[] = [];
  let texts = 0;
  let ended = false;
  try {
    while (!run.signal.aborted) {
      while (!ended && (texts < most || underWay.length === 0)) {
        const next = await slices.next();
        if (next.done) ended = true;
        else {
          underWay.push(begin(next.value, run, options));
          texts += next.value.weight;
        }
      }
      if (underWay.length === 0) break;
      await underWay[0]!.outcomes;
      // What is given up at the end has no results.
      if (run.signal.aborted) break;
      const ready: Slice[] = [];
      for (let count = 0; underWay[0]?.isReady && count < mostCommitted; count += ready.at(-1)!.texts.length)
        ready.push(underWay.shift()!);
      const done = (await Promise.all(ready.map(({ outcomes }) => outcomes))).flat();
      for (const { weight } of ready) texts -= weight;
      const committed = ready.flatMap(({ texts: some }) => some);
      await run.commit(done, committed.at(-1)!.end, { money: options.purse.kept });
      await options.committed?.(committed, done);
    }
  } finally {
    await slices.return();
  }
  await Promise.all(underWay.map(({ outcomes }) => outcomes));
}

function begin(
  { texts, weight }: Pick<Slice, 'texts' | 'weight'>,
  run: JobRun,
  options: ComputeOptions,
): Slice {
  const slice: Slice = { texts, weight, outcomes: embedSlice(texts, run, options), isReady: false };
  const ready = () => {
    slice.isReady = true;
  };
  // Whoever writes the results finds out what it has come to, in its turn.
  slice.outcomes.then(ready, ready);
  return slice;
}

/** @throws (rejects) where what has come back cannot be read */
async function embedSlice(
  texts: readonly JobText[],
  { job, signal }: JobRun,
  { embedder, model, purse, clock, known }: ComputeOptions,
): Promise<TextOutcome[]> {
  const outcomes: Array<TextOutcome | undefined> = (await known?.(texts)) ?? texts.map(() => undefined);
  for (const [i, { text }] of texts.entries()) if (isEmpty(text, job)) outcomes[i] = emptyText;
  const open = [...texts.keys()].filter((i) => outcomes[i] === undefined);
  const operation: Operation & { signal: AbortSignal } = {
    signal,
    payer: purse.payer,
    canWait: true,
    // They were admitted with the job.
    draw: () => {},
  };
  const requests = open.map((i) => requestOf(texts[i]!.text, job, model));
  const answers = await embedPatiently(embedder, requests, operation, clock);
  for (const [n, i] of open.entries()) outcomes[i] = answers[n]!;
  return outcomes as TextOutcome[];
}

/** What a text of a job asks for. */
export function requestOf(
  text: string,
  { kind, truncate, averages }: Pick<JobRecord, 'kind' | 'truncate' | 'averages'>,
  model: EmbeddingModel,
): ModelRequest {
  return { model, text, kind, truncate, useCache: true, pieces: averages ? averaged(model) : undefined };
}

/** About how many texts of a job a text is for the model: its pieces, as most languages have tokens. */
function weightOf({ text }: JobText, { averages }: JobRecord, { spec }: EmbeddingModel): number {
  return averages ? Math.ceil((text.length + 1) / spec.maxInputTokens) : 1;
}

/** Whether a text of a job is none. */
export function isEmpty(text: string, { takesBlank }: Pick<JobRecord, 'takesBlank'>): boolean {
  return takesBlank ? text === '' : isEmptyText(text);
}

async function* slicesOf(
  run: JobRun,
  size: number,
  model: EmbeddingModel,
): AsyncGenerator<Pick<Slice, 'texts' | 'weight'>, void, void> {
  let texts: JobText[] = [];
  let weight = 0;
  for await (const text of run.texts(run.job.done, run.job.textsAt)) {
    texts.push(text);
    weight += weightOf(text, run.job, model);
    if (weight < size) continue;
    yield { texts, weight };
    texts = [];
    weight = 0;
  }
  if (texts.length > 0) yield { texts, weight };
}
