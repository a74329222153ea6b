/** Work that has been started and can be called off while nobody has begun to pay for it. */
export interface Started<Value> {
  result: Promise<Value>;
  /** Called when the last one who waited has gone. @returns whether the work could still be called off. */
  cancel(): boolean;
}

export interface Landed<Value> {
  value: Value;
  /** True for one seat only: the one that asked first, of those that stayed. */
  first: boolean;
}

/** A place among those who wait for one result. */
export interface Seat<Value, Work extends Started<Value>> {
  /** What was started, by this one or by another. */
  work: Work;
  result: Promise<Landed<Value>>;
  /** Gives the place up; `result` rejects with `reason`. The work ends when nobody is left. */
  leave(reason: Error): void;
}

interface Waiter<Value> {
  resolve(landed: Landed<Value>): void;
  reject(reason: unknown): void;
}

interface Flight<Value, Work> {
  waiters: Set<Waiter<Value>>;
  work: Work;
}

/** Does the same work once, however many ask for it at the same time. */
export class SingleFlight<Value, Work extends Started<Value> = Started<Value>> {
  readonly #flights = new Map<string, Flight<Value, Work>>();

  /** Whether somebody is at it already. */
  has(key: string): boolean {
    return this.#flights.has(key);
  }

  /** Waits for the work under `key`, starting it where nobody has. */
  join(key: string, start: () => Work): Seat<Value, Work> {
    const flight = this.#flights.get(key) ?? this.#takeOff(key, start);
    let waiter: Waiter<Value>;
    const result = new Promise<Landed<Value>>((resolve, reject) => {
      waiter = { resolve, reject };
      flight.waiters.add(waiter);
    });
    return {
      work: flight.work,
      result,
      leave: (reason) => {
        if (!flight.waiters.delete(waiter)) return;
        waiter.reject(reason);
        // What is on its way already is worth landing: somebody may still join, and the cache wants it.
        if (flight.waiters.size === 0 && flight.work.cancel()) this.#forget(key, flight);
      },
    };
  }

  #takeOff(key: string, start: () => Work): Flight<Value, Work> {
    const flight: Flight<Value, Work> = { waiters: new Set(), work: start() };
    this.#flights.set(key, flight);
    flight.work.result.then(
      (value) => {
        this.#forget(key, flight);
        let first = true;
        for (const waiter of flight.waiters) {
          waiter.resolve({ value, first });
          first = false;
        }
        flight.waiters.clear();
      },
      (error: unknown) => {
        this.#forget(key, flight);
        for (const waiter of flight.waiters) waiter.reject(error);
        flight.waiters.clear();
      },
    );
    return flight;
  }

  #forget(key: string, flight: Flight<Value, Work>): void {
    if (this.#flights.get(key) === flight) this.#flights.delete(key);
  }
}
