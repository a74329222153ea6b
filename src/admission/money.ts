/** Money is counted in whole billionths of a dollar, so that a million small costs lose nothing to rounding. */
export const nanosPerUsd = 1e9;

/** Several amounts that are asked for at once. */
export interface MoneyRequest {
  key: string;
  /** UTC day, YYYY-MM-DD, or month, YYYY-MM. */
  period: string;
  /** What the key may spend in that time, in nanos. */
  limit: number;
  /** In nanos, in the order in which they are granted. */
  amounts: readonly number[];
  /** For money that outlives its process: a name under which another can adopt it, and milliseconds that it stays set aside. */
  lasting?: { id: string; holdMs: number } | undefined;
}

/** Money that another process, or this one in an earlier life, has set aside under a name. */
export interface AdoptedMoney {
  key: string;
  /** UTC day, YYYY-MM-DD, or month, YYYY-MM, that it was set aside in. */
  period: string;
  id: string;
  /** What is left of it, in nanos. */
  amount: number;
}

/** Amounts that were set aside together. */
export interface MoneyHold {
  /** Whether each of the amounts fits. */
  readonly granted: readonly boolean[];
  /** Nanos that are spent and set aside in the period, these included; as far as is known. */
  readonly used: number;
  /** Takes back what was set aside and books what was spent. Returns at once. */
  settle(reserved: number, spent: number): void;
  /** So much of it is no longer this process' business: it stays set aside for whoever adopts it. */
  leave(amount: number): void;
}

/** What keys have spent and set aside, day by day and month by month. */
export interface MoneyStore {
  /** Sets amounts aside as long as they fit. A process that dies with them gives them back after a while. */
  hold(request: MoneyRequest): Promise<MoneyHold>;
  /** Goes on with money that has been granted before. */
  adopt(money: AdoptedMoney): MoneyHold;
}

interface Account {
  period: string;
  held: number;
  spent: number;
}

/** The books of this process alone. */
export function memoryMoney(): MoneyStore {
  const accounts = new Map<string, Account>();
  /** What is left of money that was set aside under a name, for each period. */
  const lasting = new Map<string, number>();
  const nameOf = (id: string, period: string) => `${period} ${id}`;
  const accountOf = (key: string, period: string) => {
    // Days and months beside each other.
    const name = `${period.length} ${key}`;
    let account = accounts.get(name);
    // What is left of an earlier day is nobody's limit any more.
    if (account && account.period > period) return { period, held: 0, spent: 0 };
    if (!account || account.period !== period) {
      account = { period, held: 0, spent: 0 };
      accounts.set(name, account);
    }
    return account;
  };
  const holdOf = (booked: Account, granted: readonly boolean[], name: string | undefined): MoneyHold => ({
    granted,
    used: booked.held + booked.spent,
    settle(reserved, spent) {
      booked.held -= reserved;
      booked.spent += spent;
      if (name === undefined) return;
      const left = (lasting.get(name) ?? 0) - reserved;
      if (left > 0) lasting.set(name, left);
      else lasting.delete(name);
    },
    // It is adopted in this process or, after its end, in another life of it.
    leave: () => {},
  });
  return {
    adopt({ key, period, id, amount }) {
      const booked = accountOf(key, period);
      const name = nameOf(id, period);
      if (!lasting.has(name) && amount > 0) {
        booked.held += amount;
        lasting.set(name, amount);
      }
      return holdOf(booked, [true], name);
    },
    async hold({ key, period, limit, amounts, lasting: named }) {
      const booked = accountOf(key, period);
      const granted = fitting(amounts, limit - booked.held - booked.spent);
      let sum = 0;
      for (const [i, amount] of amounts.entries()) if (granted[i]) sum += amount;
      booked.held += sum;
      const name = named && nameOf(named.id, period);
      if (name && sum > 0) lasting.set(name, sum);
      return holdOf(booked, granted, name);
    },
  };
}

/** Which amounts fit into what is left, one after the other: one that is too large does not keep out those after it. */
export function fitting(amounts: readonly number[], left: number): boolean[] {
  let rest = left;
  return amounts.map((amount) => {
    if (amount > rest) return false;
    rest -= amount;
    return true;
  });
}
