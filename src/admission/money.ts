/** Money is counted in whole billionths of a dollar, so that a million small costs lose nothing to rounding. */
export const nanosPerUsd = 1e9;

/** Several amounts that are asked for at once. */
export interface MoneyRequest {
  key: string;
  /** UTC day, YYYY-MM-DD. */
  day: string;
  /** What the key may spend on that day, in nanos. */
  limit: number;
  /** In nanos, in the order in which they are granted. */
  amounts: readonly number[];
}

/** Amounts that were set aside together. */
export interface MoneyHold {
  /** Whether each of the amounts fits. */
  readonly granted: readonly boolean[];
  /** Takes back what was set aside and books what was spent. Returns at once. */
  settle(reserved: number, spent: number): void;
}

/** What keys have spent and set aside, day by day. */
export interface MoneyStore {
  /** Sets amounts aside as long as they fit. A process that dies with them gives them back after a while. */
  hold(request: MoneyRequest): Promise<MoneyHold>;
}

interface Account {
  day: string;
  held: number;
  spent: number;
}

/** The books of this process alone. */
export function memoryMoney(): MoneyStore {
  const accounts = new Map<string, Account>();
  return {
    async hold({ key, day, limit, amounts }) {
      let account = accounts.get(key);
      if (!account || account.day !== day) {
        account = { day, held: 0, spent: 0 };
        accounts.set(key, account);
      }
      const granted = fitting(amounts, limit - account.held - account.spent);
      for (const [i, amount] of amounts.entries()) if (granted[i]) account.held += amount;
      const booked = account;
      return {
        granted,
        settle(reserved, spent) {
          booked.held -= reserved;
          booked.spent += spent;
        },
      };
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
