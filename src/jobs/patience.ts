import { SpentError } from '../admission/money-budgets.ts';
import { type Clock, sleep } from '../core/clock.ts';
import type { Embedder } from '../core/embedder.ts';
import { EmbedQLError } from '../core/errors.ts';
import type { Answer, ModelRequest, Operation } from '../core/request.ts';

/** How often a text is tried that fails while others of its kind do not. */
const attemptsForOne = 4;

/** Milliseconds that a job waits for a provider that answers nothing at all. */
const outageMs = 3_600_000;

/** Milliseconds until the second attempt, doubled for each further one, and at the most. */
const firstWaitMs = 500;
const longestWaitMs = 60_000;

/**
 * Embeds texts for somebody with time: what fails in a way that may pass is tried again, a text that is alone in failing a few
 * times, and all of them for as long as an hour. Never rejects; once the operation's signal aborts, what is left has failed.
 */
export async function embedPatiently(
  embedder: Embedder,
  requests: readonly ModelRequest[],
  operation: Operation & { readonly signal: AbortSignal },
  clock: Clock,
): Promise<Array<Answer | EmbedQLError>> {
  const outcomes: Array<Answer | EmbedQLError> = new Array(requests.length);
  let open = [...requests.keys()];
  const started = clock.now();
  for (let attempt = 1; open.length > 0; attempt++) {
    const answers = await embedder.embedMany(
      open.map((i) => requests[i]!),
      operation,
    );
    for (const [n, i] of open.entries()) outcomes[i] = answers[n]!;
    const failed = open.filter((i) => mayPass(outcomes[i]!));
    const isOutage = failed.length > 1 && failed.length === open.length;
    const isOver = isOutage ? clock.now() - started > outageMs : attempt >= attemptsForOne;
    if (isOver || operation.signal.aborted) break;
    open = failed;
    if (open.length === 0) break;
    const asked = Math.max(...open.map((i) => (outcomes[i] as EmbedQLError).retryAfterMs ?? 0));
    const waitMs = Math.min(longestWaitMs, firstWaitMs * 2 ** (attempt - 1)) * (0.75 + clock.random() / 2);
    await sleepUnless(clock, Math.max(asked, waitMs), operation.signal);
  }
  return outcomes;
}

/** A key whose money for the day is spent has to wait for tomorrow; its job does not. */
function mayPass(outcome: Answer | EmbedQLError): boolean {
  return outcome instanceof EmbedQLError && outcome.retryable && !(outcome instanceof SpentError);
}

/** Sleeps until it is time, or the signal aborts. */
export async function sleepUnless(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  let wake: () => void = () => {};
  const woken = new Promise<void>((resolve) => {
    wake = resolve;
  });
  signal.addEventListener('abort', wake, { once: true });
  await Promise.race([sleep(clock, ms), woken]);
  signal.removeEventListener('abort', wake);
}

/** Milliseconds that the cache may take for each piece of a job's texts while somebody waits for the job to be taken. */
export const patienceForClients = 2_000;
