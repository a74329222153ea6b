import type { ModelRequest } from '../core/request.ts';
import type { TraceContext } from '../core/tracing.ts';
import { type AdmittedOperation, partOf } from './admission.ts';

/** What an operation is admitted by: by itself, or together with others. */
export type Gate = Omit<AdmittedOperation, 'minute'>;

/** An operation's place in a list. */
export interface Seat {
  /** Begins the operation. Called once, or not at all where it cannot be begun. */
  begin(start: { signal?: AbortSignal | undefined; trace?: TraceContext }): Gate;
  /** The operation is over. The others no longer wait for what it would ask for. */
  leave(): void;
}

/**
 * Operations of one request, which are admitted together: their texts and tokens count as those of one operation, and
 * none of them runs before all have said what they will ask for.
 */
export class OperationList {
  readonly #shared: AdmittedOperation;
  readonly #requests: ModelRequest[] = [];
  readonly #admitted: Promise<void>;
  #admit: () => void = () => {};
  #missing: number;

  /** @param shared what all of them draw from. @param operations how many there are */
  constructor(shared: AdmittedOperation, operations: number) {
    this.#shared = shared;
    this.#missing = operations;
    this.#admitted = new Promise<void>((resolve) => {
      this.#admit = resolve;
    }).then(() => shared.admitAnnounced(this.#requests));
    // Those who wait are told; there may be none.
    this.#admitted.catch(() => {});
  }

  seat(): Seat {
    let waitedFor = true;
    let texts = 0;
    const arrive = (requests: readonly ModelRequest[]) => {
      for (const request of requests) this.#requests.push(request);
      if (!waitedFor) return;
      waitedFor = false;
      this.#missing -= 1;
      if (this.#missing === 0) this.#admit();
    };
    const shared = this.#shared;
    return {
      begin: ({ signal, trace }) => ({
        signal,
        trace,
        payer: shared.payer,
        announce: (more) => {
          texts += more.length;
          shared.announce(more);
        },
        admitAnnounced: (requests) => {
          arrive(requests);
          // Who asks for nothing need not wait for the others.
          return texts === 0 && requests.length === 0 ? undefined : this.#admitted;
        },
        admit: (requests, count) => shared.admit(requests, count),
        draw: (requests) => shared.draw(requests),
        get textsLeft() {
          return shared.textsLeft;
        },
        until: (earlier) => partOf(shared, earlier, trace),
        refuse: (error) => shared.refuse(error),
      }),
      leave: () => arrive([]),
    };
  }
}
