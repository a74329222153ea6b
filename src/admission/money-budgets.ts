import { EmbedQLError } from '../core/errors.ts';
import type { Payer, Reservation } from '../core/request.ts';
import type { KeyLimit } from './key-limits.ts';
import { type MoneyHold, type MoneyRequest, type MoneyStore, nanosPerUsd } from './money.ts';
import { type KeptMoney, Purse } from './purse.ts';

/** The money of a key is spent: nothing helps before its day, or its month, is over. */
export class SpentError extends EmbedQLError {
  constructor(message: string, retryAfterMs: number) {
    super('RATE_LIMITED', message, { retryable: true, retryAfterMs });
  }
}

/** What is left to a key, in USD. What is set aside counts as spent. */
export interface MoneyLeft {
  readonly per: 'day' | 'month';
  readonly limitUsd: number;
  readonly leftUsd: number;
}

/** Told once for each period that a key has used so much of its money. */
export type LowMoneyEvent = (key: string, left: MoneyLeft) => void;

export interface MoneyBudgetsOptions {
  store: MoneyStore;
  limitOf(key: string): KeyLimit | undefined;
  onLow: LowMoneyEvent;
}

/** Which part of its money a key has used when that is told. */
const lowShare = 0.8;

/** Milliseconds after which what others have spent of a key's money is looked up again. */
const freshMs = 5_000;

/** A limit and the time that it is for. */
interface Period {
  readonly per: MoneyLeft['per'];
  /** `2026-11-25` or `2026-11`, UTC. */
  readonly name: string;
  readonly limitUsd: number;
  /** In nanos. */
  readonly limit: number;
}

/** What is known of a period, as of when it was last asked for. */
interface Seen {
  name: string;
  limitUsd: number;
  limit: number;
  /** Spent and set aside, in nanos; undefined until somebody has told. */
  used: number | undefined;
  askedAt: number;
  isTold: boolean;
}

/** Money that is asked for in one moment. */
interface Asked {
  nanos: number;
  resolve(reservation: Reservation): void;
  reject(error: unknown): void;
}

/** Money that was set aside for each period, and why the rest was not. */
interface JointHold extends MoneyHold {
  readonly refusedBy: ReadonlyArray<Period | undefined>;
}

/** What each key may spend in a day and in a month. All of it is set aside before it is spent. */
export class MoneyBudgets {
  readonly #options: MoneyBudgetsOptions;
  /** By key. */
  readonly #asked = new Map<string, Asked[]>();
  readonly #seen = new Map<string, Map<MoneyLeft['per'], Seen>>();

  constructor(options: MoneyBudgetsOptions) {
    this.#options = options;
  }

  isLimited(key: string): boolean {
    const limit = this.#options.limitOf(key);
    return limit?.usdPerDay !== undefined || limit?.usdPerMonth !== undefined;
  }

  /** Sets money aside. What is asked for in one moment travels together. @throws (rejects) SpentError */
  reserve(key: string, usd: number): Promise<Reservation> {
    return new Promise((resolve, reject) => {
      const asked = this.#asked.get(key) ?? [];
      asked.push({ nanos: wholeNanos(usd), resolve, reject });
      if (asked.length > 1) return;
      this.#asked.set(key, asked);
      queueMicrotask(() => {
        this.#asked.delete(key);
        void this.#reserveAll(key, asked);
      });
    });
  }

  /** Never rejects: each request gets its answer. */
  async #reserveAll(key: string, asked: readonly Asked[]): Promise<void> {
    try {
      const amounts = asked.map(({ nanos }) => nanos);
      const hold = await this.#hold(key, amounts);
      for (const [i, { nanos, resolve, reject }] of asked.entries()) {
        const period = hold.refusedBy[i];
        if (period) reject(spent(key, period));
        else
          resolve({
            settle: (usd) => hold.settle(nanos, Math.round(usd * nanosPerUsd)),
            release: () => hold.settle(nanos, 0),
          });
      }
    } catch (error) {
      for (const { reject } of asked) reject(error);
    }
  }

  /**
   * Sets aside what a job can cost, for as long as it may take.
   * @param id names it, for whoever goes on with the job. @throws (rejects) SpentError where it is more than is left
   */
  async openPurse(payer: Payer, id: string, usd: number, holdMs: number): Promise<Purse> {
    const { key } = payer;
    if (!this.isLimited(key)) return new Purse(payer, undefined);
    const nanos = wholeNanos(usd);
    const day = dayNow();
    const hold = await this.#hold(key, [nanos], { id, holdMs });
    const period = hold.refusedBy[0];
    if (period)
      throw new SpentError(
        `The job would cost ${usd} USD, more than is left to the key ${key} of its ${period.limitUsd} USD for the ${period.per}.`,
        untilEndMs(period),
      );
    return new Purse(payer, { day, left: nanos, hold });
  }

  /** Goes on with what was set aside for a job. @param batchPayer who pays for what its batches bring */
  adoptPurse(payer: Payer, id: string, kept: KeptMoney | undefined, batchPayer = payer): Purse {
    const { key } = payer;
    if (!kept || !this.isLimited(key)) return new Purse(payer, undefined, batchPayer);
    const holds = this.#periods(key, kept.day).map((period) =>
      this.#options.store.adopt({ key, id, period: period.name, amount: kept.left }),
    );
    return new Purse(payer, { ...kept, hold: joint(holds) }, batchPayer);
  }

  /** What is left to a key, as far as is known; in the background what others have spent is looked up. */
  left(key: string): MoneyLeft[] {
    const periods = this.#periods(key);
    if (periods.length === 0) return [];
    const seen = periods.map((period) => this.#see(key, period));
    const now = Date.now();
    if (seen.some(({ askedAt }) => now - askedAt > freshMs)) {
      for (const one of seen) one.askedAt = now;
      void this.#hold(key, []).catch(() => {});
    }
    return periods.flatMap((period, i) => leftOf(period.per, seen[i]!) ?? []);
  }

  /** The same for every key that has asked for something. */
  all(): Array<MoneyLeft & { key: string }> {
    return [...this.#seen.keys()].flatMap((key) => this.left(key).map((left) => ({ key, ...left })));
  }

  #periods(key: string, day = dayNow()): Period[] {
    const { usdPerDay, usdPerMonth } = this.#options.limitOf(key) ?? {};
    const periods: Period[] = [];
    if (usdPerDay !== undefined)
      periods.push({ per: 'day', name: day, limitUsd: usdPerDay, limit: wholeNanos(usdPerDay) });
    if (usdPerMonth !== undefined)
      periods.push({
        per: 'month',
        name: day.slice(0, 7),
        limitUsd: usdPerMonth,
        limit: wholeNanos(usdPerMonth),
      });
    return periods;
  }

  /**
   * Sets amounts aside where each period has room for them. The periods are asked at the same time, so that it takes no longer;
   * what one of them refuses may keep out of another, for this moment, what is asked for behind it.
   */
  async #hold(
    key: string,
    amounts: readonly number[],
    lasting?: MoneyRequest['lasting'],
  ): Promise<JointHold> {
    const periods = this.#periods(key);
    const holds = await Promise.all(
      periods.map(async (period) => {
        const request = { key, period: period.name, limit: period.limit, amounts, lasting };
        return this.#watched(key, period, await this.#options.store.hold(request));
      }),
    );
    const refusedBy = amounts.map((amount, i) => {
      const refusing = holds.findIndex(({ granted }) => !granted[i]);
      if (refusing === -1) return undefined;
      for (const hold of holds) if (hold.granted[i]) hold.settle(amount, 0);
      return periods[refusing];
    });
    return { ...joint(holds), refusedBy };
  }

  /** Keeps what is known of a period up to date, and tells when it comes to its end. */
  #watched(key: string, period: Period, hold: MoneyHold): MoneyHold {
    const seen = this.#see(key, period);
    seen.askedAt = Date.now();
    seen.used = hold.used;
    this.#tellLow(key, period, seen);
    return {
      ...hold,
      settle: (reserved, paid) => {
        hold.settle(reserved, paid);
        if (seen.name !== period.name || seen.used === undefined) return;
        seen.used += paid - reserved;
        this.#tellLow(key, period, seen);
      },
    };
  }

  #see(key: string, { per, name, limitUsd, limit }: Period): Seen {
    let byPeriod = this.#seen.get(key);
    if (!byPeriod) {
      byPeriod = new Map();
      this.#seen.set(key, byPeriod);
    }
    let seen = byPeriod.get(per);
    if (!seen || seen.name !== name) {
      seen = { name, limitUsd, limit, used: undefined, askedAt: Number.NEGATIVE_INFINITY, isTold: false };
      byPeriod.set(per, seen);
    }
    return seen;
  }

  #tellLow(key: string, { per }: Period, seen: Seen): void {
    if (seen.isTold || seen.used === undefined || seen.used < seen.limit * lowShare) return;
    seen.isTold = true;
    const left = leftOf(per, seen);
    if (left) this.#options.onLow(key, left);
  }
}

function leftOf(per: MoneyLeft['per'], { used, limit, limitUsd }: Seen): MoneyLeft | undefined {
  if (used === undefined) return undefined;
  return { per, limitUsd, leftUsd: Math.max(0, limit - used) / nanosPerUsd };
}

function joint(holds: readonly MoneyHold[]): MoneyHold {
  return {
    granted: [],
    used: 0,
    settle: (reserved, paid) => {
      for (const hold of holds) hold.settle(reserved, paid);
    },
    leave: (amount) => {
      for (const hold of holds) hold.leave(amount);
    },
  };
}

function spent(key: string, period: Period): SpentError {
  return new SpentError(
    `The key ${key} has spent its ${period.limitUsd} USD for the ${period.per}, or what is left is less than this can cost; what is cached it still gets.`,
    untilEndMs(period),
  );
}

/** Rounded up, except for what is only the rounding of floats: what costs exactly the day's money is within it. */
function wholeNanos(usd: number): number {
  return Math.ceil(Number((usd * nanosPerUsd).toFixed(4)));
}

function dayNow(): string {
  return new Date().toISOString().slice(0, 10);
}

function untilEndMs({ per }: Pick<Period, 'per'>): number {
  const now = new Date();
  const end =
    per === 'day'
      ? Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate() + 1)
      : Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1, 1);
  return end - now.getTime();
}
