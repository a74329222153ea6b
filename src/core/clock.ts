/** Something that has been put off and can be called off. */
export interface Timer {
  cancel(): void;
  /** From now on it keeps no process alive; left out where time never does. */
  unref?(): void;
}

/**
 * Time and chance as the core knows them. The core asks nobody else, so that a test or a simulation can run hours in
 * milliseconds and the same way twice.
 */
export interface Clock {
  /** Milliseconds since some moment; never goes back. */
  now(): number;
  /** Milliseconds since 1970. */
  date(): number;
  /** Runs `work` after `ms`. */
  after(ms: number, work: () => void): Timer;
  /** Runs `work` once everything that has already reached this process has been looked at. */
  soon(work: () => void): void;
  /** From 0 to 1, without 1. */
  random(): number;
}

/** The real one. */
export const systemClock: Clock = {
  now: () => performance.now(),
  date: () => Date.now(),
  after(ms, work) {
    const timer = setTimeout(work, ms);
    return { cancel: () => clearTimeout(timer), unref: () => void timer.unref() };
  },
  soon: (work) => void setImmediate(work),
  random: () => Math.random(),
};

/** Resolves after `ms`. */
export function sleep(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => void clock.after(ms, resolve));
}

/** Resolves once everything that has already reached this process has been looked at. */
export function turn(clock: Clock): Promise<void> {
  return new Promise((resolve) => clock.soon(resolve));
}
