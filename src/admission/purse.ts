import type { Payer, Reservation } from '../core/request.ts';
import { type MoneyHold, nanosPerUsd } from './money.ts';

/** What is left of the money of a job, to be written down with it. */
export interface KeptMoney {
  /** UTC day, YYYY-MM-DD, that it was set aside on. */
  readonly day: string;
  /** In nanos. */
  readonly left: number;
}

/**
 * Money that was set aside for a job as a whole. Its texts are paid out of it; what they cost beyond it is set aside when it
 * is spent, like that of anybody.
 */
export class Purse {
  /** Who pays for the texts of the job. */
  readonly payer: Payer;
  /** Who pays for what the provider's batches bring. Its money is taken out with `spend`. */
  readonly batchPayer: Payer;
  readonly #day: string | undefined;
  readonly #hold: MoneyHold | undefined;
  /** Nanos that no text has been promised. */
  #left: number;
  /** Nanos that texts under way have been promised. */
  #promised = 0;
  #isClosed = false;

  constructor(payer: Payer, money: (KeptMoney & { hold: MoneyHold }) | undefined, batchPayer = payer) {
    this.batchPayer = batchPayer;
    this.#day = money?.day;
    this.#hold = money?.hold;
    this.#left = money?.left ?? 0;
    this.payer = money
      ? {
          key: payer.key,
          asked: (...texts) => payer.asked?.(...texts),
          served: (...texts) => payer.served?.(...texts),
          charged: (...charge) => payer.charged(...charge),
          reserve: (usd) => this.#reserve(usd) ?? payer.reserve!(usd),
        }
      : payer;
  }

  /** What is to be written down; undefined where there is no limit. What is promised counts as left. */
  get kept(): KeptMoney | undefined {
    return this.#day === undefined ? undefined : { day: this.#day, left: this.#left + this.#promised };
  }

  /** So much was spent that nobody had promised: what a batch of the provider has cost. */
  spend(usd: number): void {
    if (!this.#hold) return;
    const spent = Math.round(usd * nanosPerUsd);
    const covered = Math.min(this.#left, spent);
    this.#left -= covered;
    this.#hold.settle(covered, spent);
  }

  /** Somebody else, or this process later on, goes on with the job. */
  leave(): void {
    if (this.#isClosed) return;
    this.#hold?.leave(this.#left + this.#promised);
    this.#isClosed = true;
    this.#left = 0;
  }

  /** The job is over: what is left is the key's again. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#hold?.settle(this.#left + this.#promised, 0);
    this.#left = 0;
  }

  /** @returns undefined where there is not so much in it */
  #reserve(usd: number): Promise<Reservation> | undefined {
    const nanos = Math.ceil(Number((usd * nanosPerUsd).toFixed(4)));
    if (nanos > this.#left) return undefined;
    this.#left -= nanos;
    this.#promised += nanos;
    return Promise.resolve({
      settle: (spent: number) => {
        this.#promised -= nanos;
        // What is closed has been given back, or left to others, already.
        this.#hold!.settle(this.#isClosed ? 0 : nanos, Math.round(spent * nanosPerUsd));
      },
      release: () => {
        this.#promised -= nanos;
        if (!this.#isClosed) this.#left += nanos;
      },
    });
  }
}
