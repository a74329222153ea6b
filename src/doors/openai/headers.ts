import type { ServerResponse } from 'node:http';
import type { MinuteBudget } from '../../admission/key-budgets.ts';

/** The version of OpenAI's API that the answers have the shape of. */
const apiVersion = '2020-10-01';

export interface AnswerFacts {
  /** `performance.now()` when the request came. */
  started: number;
  /** What is left to the key of its minute; undefined where it has no such limit. */
  minute?: MinuteBudget | undefined;
}

/**
 * Puts the headers on an answer that OpenAI's clients read, or hand on. A key's minute is counted in texts, and these are
 * what `requests` stands for: a request for one text takes one.
 */
export function setFacts(response: ServerResponse, { started, minute }: AnswerFacts): void {
  response.setHeader('openai-version', apiVersion);
  response.setHeader('openai-processing-ms', String(Math.round(performance.now() - started)));
  if (!minute) return;
  response.setHeader('x-ratelimit-limit-requests', String(minute.limit));
  response.setHeader('x-ratelimit-remaining-requests', String(minute.remaining));
  response.setHeader('x-ratelimit-reset-requests', `${Math.ceil(minute.resetMs / 1_000)}s`);
}
