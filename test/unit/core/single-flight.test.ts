import { describe, expect, test } from 'vitest';
import { SingleFlight } from '../../../src/core/single-flight.ts';

function work(cancellable = true) {
  let resolve!: (value: string) => void;
  let reject!: (error: Error) => void;
  const promise = new Promise<string>((onDone, onFailed) => {
    resolve = onDone;
    reject = onFailed;
  });
  let cancelled = 0;
  const started = {
    result: promise,
    cancel: () => {
      if (cancellable) cancelled += 1;
      return cancellable;
    },
  };
  return { started, resolve, reject, cancelled: () => cancelled };
}

describe('SingleFlight', () => {
  test('does the work once; the first who asked is told so', async () => {
    const flights = new SingleFlight<string>();
    const one = work();
    let starts = 0;
    const join = () =>
      flights.join('key', () => {
        starts += 1;
        return one.started;
      });
    const seats = [join(), join(), join()];
    expect(flights.has('key')).toBe(true);
    one.resolve('done');
    expect(await Promise.all(seats.map(({ result }) => result))).toEqual([
      { value: 'done', first: true },
      { value: 'done', first: false },
      { value: 'done', first: false },
    ]);
    expect([starts, flights.has('key')]).toEqual([1, false]);
  });

  test('when the first leaves, the next becomes the first', async () => {
    const flights = new SingleFlight<string>();
    const one = work();
    const [a, b] = [flights.join('key', () => one.started), flights.join('key', () => one.started)];
    a.leave(new Error('gone'));
    a.leave(new Error('gone again'));
    await expect(a.result).rejects.toThrow('gone');
    one.resolve('done');
    expect(await b.result).toEqual({ value: 'done', first: true });
    expect(one.cancelled()).toBe(0);
  });

  test('is called off when nobody is left, and begun anew by the next', async () => {
    const flights = new SingleFlight<string>();
    const [one, two] = [work(), work()];
    const a = flights.join('key', () => one.started);
    a.leave(new Error('gone'));
    await expect(a.result).rejects.toThrow('gone');
    expect(one.cancelled()).toBe(1);
    const b = flights.join('key', () => two.started);
    // The end of the old work does not end the new.
    one.reject(new Error('cancelled'));
    await Promise.resolve();
    expect(flights.has('key')).toBe(true);
    two.resolve('done');
    expect(await b.result).toEqual({ value: 'done', first: true });
  });

  test('what cannot be called off any more can still be joined', async () => {
    const flights = new SingleFlight<string>();
    const one = work(false);
    const a = flights.join('key', () => one.started);
    a.leave(new Error('gone'));
    await expect(a.result).rejects.toThrow('gone');
    const b = flights.join('key', () => {
      throw new Error('must not start again');
    });
    one.resolve('done');
    expect(await b.result).toEqual({ value: 'done', first: true });
  });

  test("a failure is everybody's", async () => {
    const flights = new SingleFlight<string>();
    const one = work();
    const seats = [flights.join('key', () => one.started), flights.join('key', () => one.started)];
    one.reject(new Error('failed'));
    for (const { result } of seats) await expect(result).rejects.toThrow('failed');
    expect(flights.has('key')).toBe(false);
  });
});
