import { describeError, type EmbedQLError, type NameOption } from '../core/errors.ts';
import type { Answer } from '../core/request.ts';
import { shortenVector, vectorToBase64 } from '../core/vectors.ts';
import type { BoughtTexts, JobRecord } from './job.ts';

/** What a text has come to. `inBatch`: whether a batch brought it, for this text of the job and no other. */
export type TextOutcome = (Answer & { readonly inBatch?: boolean }) | EmbedQLError;

/** A line of the results, as a client reads it. */
export type ResultLine = { readonly index: number } & (
  | { readonly embeddingBase64: string; readonly tokens: number }
  | { readonly error: { readonly code: string; readonly message: string } }
);

/** Results of some texts that follow one another, and what they add to the record of their job. */
export interface Segment {
  readonly bytes: Buffer;
  readonly counts: Pick<JobRecord, 'done' | 'cached' | 'failed' | 'tokens' | 'paidTokens' | 'batchTokens'>;
  readonly bought: BoughtTexts;
}

/**
 * Writes results as lines of JSON.
 * @param from the index of the first of them
 */
export function writeSegment(
  outcomes: readonly TextOutcome[],
  from: number,
  dimensions: number,
  nameOption: NameOption,
): Segment {
  const counts = { done: outcomes.length, cached: 0, failed: 0, tokens: 0, paidTokens: 0, batchTokens: 0 };
  const bought = { texts: 0, tokens: 0 };
  const lines = outcomes.map((outcome, i) => {
    const index = from + i;
    if (outcome instanceof Error) {
      counts.failed += 1;
      const error = { code: outcome.code, message: describeError(outcome, nameOption) };
      return `${JSON.stringify({ index, error })}\n`;
    }
    const { vector, tokens, source, inBatch, pieces } = outcome;
    counts.tokens += tokens;
    if (source !== 'provider') counts.cached += 1;
    const paid = (pieces?.map(({ answer }) => answer) ?? [outcome]).filter(({ costUsd }) => costUsd > 0);
    for (const one of paid) counts[inBatch ? 'batchTokens' : 'paidTokens'] += one.tokens;
    if (inBatch) {
      bought.texts += 1;
      bought.tokens += tokens;
    }
    const base64 = vectorToBase64(shortenVector(vector, dimensions));
    // Base64 needs no escapes, and looking for some takes longer than all the rest.
    return `{"index":${index},"embeddingBase64":"${base64}","tokens":${tokens}}\n`;
  });
  return { bytes: Buffer.from(lines.join('')), counts, bought };
}

/** The record with what a segment adds. */
export function withSegment(job: JobRecord, { bytes, counts, bought }: Segment): JobRecord {
  return {
    ...withBought(job, bought),
    resultBytes: job.resultBytes + bytes.length,
    done: job.done + counts.done,
    cached: job.cached + counts.cached,
    failed: job.failed + counts.failed,
    tokens: job.tokens + counts.tokens,
    paidTokens: job.paidTokens + counts.paidTokens,
    batchTokens: job.batchTokens + counts.batchTokens,
  };
}

/** The record with texts that batches brought. */
export function withBought(job: JobRecord, { texts, tokens }: BoughtTexts): JobRecord {
  if (texts === 0) return job;
  const before = job.bought ?? { texts: 0, tokens: 0 };
  return { ...job, bought: { texts: before.texts + texts, tokens: before.tokens + tokens } };
}
