import { EmbedQLError } from '../core/errors.ts';
import type { BookStore } from './book-store.ts';
import { readDays } from './days.ts';
import { type Spend, type SpendQuery, SpendSum } from './spend.ts';

/** Rows that one question is answered with. */
const mostRows = 10_000;

/** Questions that may wait: each reads books of many days. */
const mostQuestions = 32;

/** Adds up what a store has, for a program that books nothing. @throws EmbedQLError BAD_USER_INPUT; what the store throws */
export async function readLedger(
  store: Pick<BookStore, 'read' | 'isLossy'>,
  query: SpendQuery,
  now = Date.now(),
): Promise<Spend[]> {
  const days = readDays(query.from, query.to, now);
  const sum = new SpendSum(query);
  let read = 0;
  for await (const book of store.read(days)) {
    sum.add(days[read++]!, book, store.isLossy);
    checkSize(sum);
  }
  return sum.result();
}

/** @throws EmbedQLError COST_LIMIT_EXCEEDED where an answer has too many rows */
export function checkSize({ size }: SpendSum): void {
  if (size > mostRows)
    throw new EmbedQLError(
      'COST_LIMIT_EXCEEDED',
      `groupBy makes more than ${mostRows} rows of these days; ask for fewer days, or add up by less.`,
    );
}

/** Answers one question after the other. */
export class Questions {
  #waiting = 0;
  #last: Promise<unknown> = Promise.resolve();

  /** @throws EmbedQLError OVERLOADED where many ask at the same time; what `answer` throws */
  async ask<Answer>(answer: () => Promise<Answer>): Promise<Answer> {
    if (this.#waiting >= mostQuestions) throw tooManyQuestions;
    this.#waiting += 1;
    const answered = this.#last.then(answer);
    this.#last = answered.catch(() => {});
    try {
      return await answered;
    } finally {
      this.#waiting -= 1;
    }
  }
}

const tooManyQuestions = new EmbedQLError(
  'OVERLOADED',
  'Too many operations are reading the ledger; try again in a moment.',
  { retryAfterMs: 1_000 },
);
