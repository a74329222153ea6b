/** Why a text may be paid for once more than once. */
export type Excuse =
  | 'the cache was not asked for it'
  | 'the shared cache did not say'
  | 'the memory tier let go of it'
  | 'the shared cache did not keep it'
  | 'the shared cache lost it'
  | 'its holder was killed'
  | 'the lease of a holder that was held up ended';

/** Charged by the provider. */
export interface Payment {
  readonly process: string;
  readonly model: string;
  /** The text as it was sent. */
  readonly sent: string;
  readonly tokens: number;
  readonly usd: number;
}

/** What the simulated world knows of money, texts and order; the invariants are read off it. */
export class Ledger {
  readonly violations: string[] = [];
  readonly payments: Payment[] = [];
  /** Payments whose answers reached nobody, since their process was dead. */
  readonly lost = new Set<Payment>();
  /** By `textId`. */
  readonly excuses = new Map<string, Excuse[]>();
  /** Failures that had nothing to do with a text, by process and `textId`. */
  readonly mishaps = new Set<string>();
  readonly story: string[] = [];
  readonly #now: () => number;
  readonly #told: boolean;
  #low = 0x811c9dc5;
  #high = 0x9747b28c;

  /** @param told whether the story is kept, for people to read */
  constructor(now: () => number, told: boolean) {
    this.#now = now;
    this.#told = told;
  }

  /** Something has happened. The order of these is what makes an interleaving. */
  note(what: string): void {
    for (let i = 0; i < what.length; i++) {
      this.#low = Math.imul(this.#low ^ what.charCodeAt(i), 0x01000193);
      this.#high = Math.imul(this.#high ^ what.charCodeAt(i), 0x85ebca6b);
    }
    if (this.#told) this.story.push(`${this.#now().toFixed(1).padStart(9)}  ${what}`);
  }

  /** The order of everything that has happened, as a number. */
  get interleaving(): number {
    return (this.#high >>> 0) * 0x200000 + (this.#low >>> 11);
  }

  violate(what: string): void {
    this.note(`VIOLATION ${what}`);
    this.violations.push(what);
  }

  excuse(id: string, why: Excuse): void {
    const known = this.excuses.get(id);
    if (known) known.push(why);
    else this.excuses.set(id, [why]);
  }
}
