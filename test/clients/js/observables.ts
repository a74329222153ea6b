import type { Observable } from 'rxjs';

/** What an observable gives, one by one; leaving the loop unsubscribes. @throws what it fails with */
export async function* valuesOf<Value>(
  observable: Pick<Observable<Value>, 'subscribe'>,
): AsyncGenerator<Value> {
  const values: Value[] = [];
  let failure: { error: unknown } | undefined;
  let done = false;
  let wake = () => {};
  const subscription = observable.subscribe({
    next: (value) => {
      values.push(value);
      wake();
    },
    error: (error: unknown) => {
      failure = { error };
      wake();
    },
    complete: () => {
      done = true;
      wake();
    },
  });
  try {
    for (;;) {
      while (values.length > 0) yield values.shift()!;
      if (failure) throw failure.error;
      if (done) return;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  } finally {
    subscription.unsubscribe();
  }
}
