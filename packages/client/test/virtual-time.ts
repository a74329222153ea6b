import { vi } from 'vitest';

/** Lets virtual time run until the promise is settled. @returns what it came to, and the milliseconds that took */
export async function virtually<T>(promise: Promise<T>): Promise<{ value: T | Error; ms: number }> {
  const from = performance.now();
  let settled: { value: T | Error } | undefined;
  promise.then(
    (value) => (settled = { value }),
    (value: Error) => (settled = { value }),
  );
  for (let i = 0; !settled && i < 1_000; i++) await vi.advanceTimersByTimeAsync(i < 2 ? 0 : 1_000);
  if (!settled) throw new Error('still waiting');
  return { ...settled, ms: performance.now() - from };
}
