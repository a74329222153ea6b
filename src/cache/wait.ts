import { type Clock, systemClock } from '../core/clock.ts';

/** What is wrong, in the system's word or Redis' own; undefined where neither has one. No addresses, no credentials. */
export function errorWord(error: unknown): string | undefined {
  const { code, message } = error as { code?: string; message?: string };
  return code ?? /^[A-Z]{4,}/.exec(message ?? '')?.[0];
}

export const timedOut = Symbol('timedOut');

/**
 * The result of `work`, or `timedOut` after `ms`. When the time is up the event loop gets one more turn, so that an
 * answer which is already here is not taken for timedOut because this process was busy.
 */
export function withTimeout<Value>(
  ms: number,
  work: Promise<Value>,
  clock: Clock = systemClock,
): Promise<Value | typeof timedOut> {
  return new Promise((resolve, reject) => {
    const timer = clock.after(ms, () => clock.soon(() => resolve(timedOut)));
    work.finally(() => timer.cancel()).then(resolve, reject);
  });
}
