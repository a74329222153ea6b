import { EmbedQLError } from '../../src/core/errors.ts';
import type { Payer } from '../../src/core/request.ts';
import type { Ledger } from './ledger.ts';
import type { SimProcess } from './process.ts';
import { usdPerToken } from './provider.ts';
import type { KeyScript, Range } from './script.ts';

/** Money of one reservation. */
interface Hold {
  readonly process: SimProcess;
  readonly amount: number;
  open: boolean;
}

/** What one key has, over all replicas. Amounts are counted in tokens' prices, which are whole. */
export class Account {
  readonly key: KeyScript;
  /** By process: what was charged, in whole prices. */
  readonly charged = new Map<string, number>();
  readonly #ledger: Ledger;
  readonly #delay: () => number;
  readonly #holds: Hold[] = [];
  #held = 0;
  #spent = 0;

  constructor(key: KeyScript, ledger: Ledger, latency: Range, random: () => number) {
    this.key = key;
    this.#ledger = ledger;
    this.#delay = () => Math.round(latency[0] + random() * (latency[1] - latency[0]));
  }

  /** What was settled. */
  get spent(): number {
    return this.#spent;
  }

  /** Money that a process which lives has set aside and not given back. */
  get open(): number {
    return this.#holds.filter(({ open, process }) => open && !process.dead).length;
  }

  payer(process: SimProcess): Payer {
    const charged = (usd: number) =>
      void this.charged.set(process.name, (this.charged.get(process.name) ?? 0) + whole(usd));
    const { name, limit } = this.key;
    if (limit === undefined) return { key: name, charged };
    return { key: name, charged, reserve: (usd) => this.#reserve(process, whole(usd), limit) };
  }

  #reserve(process: SimProcess, amount: number, limit: number): ReturnType<NonNullable<Payer['reserve']>> {
    return new Promise((resolve, reject) => {
      process.receive(this.#delay(), () => {
        const fits = this.#held + this.#spent + amount <= limit;
        this.#ledger.note(`${this.key.name}: ${process.name} sets ${amount} aside: ${fits ? 'yes' : 'no'}`);
        if (!fits) {
          process.receive(this.#delay(), () =>
            reject(new EmbedQLError('RATE_LIMITED', 'no money is left', { retryable: true })),
          );
          return;
        }
        const hold: Hold = { process, amount, open: true };
        this.#held += amount;
        this.#holds.push(hold);
        process.receive(this.#delay(), () =>
          resolve({
            settle: (usd) => this.#close(hold, whole(usd)),
            release: () => this.#close(hold, 0),
          }),
        );
      });
    });
  }

  #close(hold: Hold, spent: number): void {
    if (!hold.open) this.#ledger.violate(`${this.key.name}: money that was set aside is settled twice`);
    if (spent > hold.amount)
      this.#ledger.violate(`${this.key.name}: ${spent} spent of ${hold.amount} that were set aside`);
    hold.open = false;
    this.#held -= hold.amount;
    this.#spent += spent;
    if (this.key.limit !== undefined && this.#held + this.#spent > this.key.limit)
      this.#ledger.violate(`${this.key.name}: more than its money is spent`);
  }
}

export function whole(usd: number): number {
  return Math.round(usd / usdPerToken);
}
