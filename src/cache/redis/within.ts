export const late = Symbol('late');

/**
 * The result of `work`, or `late` after `ms`. When the time is up the event loop gets one more turn, so that an
 * answer which is already here is not taken for late because this process was busy.
 */
export function within<Value>(ms: number, work: Promise<Value>): Promise<Value | typeof late> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => setImmediate(() => resolve(late)), ms);
    work.finally(() => clearTimeout(timer)).then(resolve, reject);
  });
}
