import { randomUUID } from 'node:crypto';
import type { Cluster, Redis } from 'ioredis';
import { type AdoptedMoney, fitting, type MoneyHold, type MoneyRequest, type MoneyStore } from './money.ts';

/** A connection that may be replaced by another while it is used. */
export interface SharedRedis {
  readonly client: Redis | Cluster;
}

/** Seconds that the books of a day, or of a month, are kept: longer than any reservation lives past its end. */
const keptSeconds = (period: string) => (period.length === 'YYYY-MM'.length ? 33 : 2) * 86_400;

/** Milliseconds after which what could not be booked is tried again. */
const retryMs = 1_000;

/**
 * Books what a process has spent in all: a booking that is repeated, because its answer was lost, changes nothing.
 * A Redis that has lost its data learns it again.
 */
const bookTotal = `
  local function bookTotal(books, process, total)
    local before = tonumber(redis.call('HGET', books, process) or '0')
    if total <= before then return end
    redis.call('HINCRBY', books, 'spent', string.format('%.0f', total - before))
    redis.call('HSET', books, process, string.format('%.0f', total))
  end`;

/**
 * KEYS: the books of a key for a day or a month (spent, held, each reservation by id, what each process has spent), its reservations by
 * the time they end. ARGV: now and the end of this reservation in milliseconds, limit, id, seconds to keep, process,
 * what it has spent, then the amounts. Returns what is spent and held after it, then 1 for each amount that fits, else 0.
 */
const holdScript = `${bookTotal}
  local books, ends = KEYS[1], KEYS[2]
  bookTotal(books, ARGV[6], tonumber(ARGV[7]))
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', ends, '-inf', ARGV[1])) do
    local amount = tonumber(redis.call('HGET', books, id) or '0')
    redis.call('HINCRBY', books, 'held', string.format('%.0f', -amount))
    redis.call('HDEL', books, id)
    redis.call('ZREM', ends, id)
  end
  local used = tonumber(redis.call('HGET', books, 'spent') or '0') + tonumber(redis.call('HGET', books, 'held') or '0')
  local left = tonumber(ARGV[3]) - used
  local sum, answer = 0, {}
  for i = 8, #ARGV do
    local amount = tonumber(ARGV[i])
    local fits = sum + amount <= left
    if fits then sum = sum + amount end
    answer[#answer + 1] = fits and 1 or 0
  end
  if sum > 0 then
    local text = string.format('%.0f', sum)
    redis.call('HINCRBY', books, 'held', text)
    redis.call('HINCRBY', books, ARGV[4], text)
    redis.call('ZADD', ends, ARGV[2], ARGV[4])
  end
  redis.call('EXPIRE', books, ARGV[5])
  redis.call('EXPIRE', ends, ARGV[5])
  table.insert(answer, 1, string.format('%.0f', used + sum))
  return answer`;

/** KEYS as above. ARGV: process, what it has spent, seconds to keep, then ids and what is still held under each. */
const bookScript = `${bookTotal}
  local books, ends = KEYS[1], KEYS[2]
  bookTotal(books, ARGV[1], tonumber(ARGV[2]))
  for i = 4, #ARGV, 2 do
    local id, remaining = ARGV[i], tonumber(ARGV[i + 1])
    local back = tonumber(redis.call('HGET', books, id) or '0') - remaining
    if back > 0 then
      redis.call('HINCRBY', books, 'held', string.format('%.0f', -back))
      redis.call('HINCRBY', books, id, string.format('%.0f', -back))
    end
    if remaining <= 0 then
      redis.call('HDEL', books, id)
      redis.call('ZREM', ends, id)
    end
  end
  redis.call('EXPIRE', books, ARGV[3])
  redis.call('EXPIRE', ends, ARGV[3])`;

/**
 * Books that replicas share. Reservations of a process that died are given back when their time is over. While Redis is
 * away, a process grants what is left by all that it knows, and books what it has spent once Redis is back.
 * @param holdMs milliseconds after which a reservation that nobody settled ends
 */
export function redisMoney(redis: SharedRedis, holdMs: number): MoneyStore {
  const process = `by:${randomUUID()}`;
  /** By key and period: money of jobs is booked on the day that it was set aside on. */
  const accounts = new Map<string, Account>();
  const accountOf = ({ key, period }: Pick<MoneyRequest, 'key' | 'period'>) => {
    const name = `${period} ${key}`;
    let account = accounts.get(name);
    if (!account) {
      for (const [other, { isOver }] of accounts) if (isOver) accounts.delete(other);
      account = new Account(redis, holdMs, process, { key, period });
      accounts.set(name, account);
    }
    return account;
  };
  return {
    hold: (request) => accountOf(request).hold(request),
    adopt: (money) => accountOf(money).adopt(money),
  };
}

/** What this process has to do with the money of one key in one period. */
class Account {
  readonly period: string;
  readonly #keptSeconds: number;
  readonly #redis: SharedRedis;
  readonly #holdMs: number;
  readonly #process: string;
  readonly #keys: readonly [books: string, ends: string];
  /** What this process has spent, and has set aside. */
  #spent = 0;
  #held = 0;
  /** What all others had spent and set aside when Redis last told. */
  #others = 0;
  /** Reservations of which Redis has yet to learn how much of them is still held. */
  #changed = new Map<string, number>();
  #bookingSoon = false;
  #retrying = false;

  constructor(
    redis: SharedRedis,
    holdMs: number,
    process: string,
    { key, period }: Pick<MoneyRequest, 'key' | 'period'>,
  ) {
    const books = `{embedql}:money:${key}:${period}`;
    this.period = period;
    this.#keptSeconds = keptSeconds(period);
    this.#redis = redis;
    this.#holdMs = holdMs;
    this.#process = process;
    this.#keys = [books, `${books}:ends`];
  }

  /** Whether its period is so long ago that its books are gone. */
  get isOver(): boolean {
    return Date.now() > Date.parse(this.period) + this.#keptSeconds * 1_000;
  }

  /** What is spent and set aside, as far as this process knows. */
  get #used(): number {
    return this.#others + this.#spent + this.#held;
  }

  adopt({ id, amount }: AdoptedMoney): MoneyHold {
    this.#held += amount;
    let remaining = amount;
    return {
      granted: [true],
      used: this.#used,
      settle: (givenBack, paid) => {
        remaining -= givenBack;
        this.#change(id, remaining);
        this.#settle(givenBack, paid);
      },
      leave: (left) => this.#leave(left),
    };
  }

  async hold({ limit, amounts, lasting }: MoneyRequest): Promise<MoneyHold> {
    const id = lasting?.id ?? randomUUID();
    const now = Date.now();
    const numbers = [
      now,
      now + (lasting?.holdMs ?? this.#holdMs),
      limit,
      id,
      this.#keptSeconds,
      this.#process,
      this.#spent,
      ...amounts,
    ];
    let granted: boolean[];
    let remaining: number;
    try {
      const answer = await this.#redis.client.eval(holdScript, 2, ...this.#keys, ...numbers.map(String));
      const [used, ...fits] = (answer as unknown[]).map(Number);
      granted = fits.map((one) => one === 1);
      remaining = sumOf(amounts, granted);
      this.#held += remaining;
      this.#others = Math.max(0, used! - this.#spent - this.#held);
    } catch {
      // The command may have been heard all the same: then nothing may stay set aside for it.
      this.#change(id, 0);
      granted = fitting(amounts, limit - this.#others - this.#spent - this.#held);
      remaining = sumOf(amounts, granted);
      this.#held += remaining;
      return {
        granted,
        used: this.#used,
        settle: (givenBack, paid) => this.#settle(givenBack, paid),
        leave: (left) => this.#leave(left),
      };
    }
    return {
      granted,
      used: this.#used,
      settle: (givenBack, paid) => {
        remaining -= givenBack;
        this.#change(id, remaining);
        this.#settle(givenBack, paid);
      },
      leave: (left) => this.#leave(left),
    };
  }

  /** In Redis it stays as it is. */
  #leave(amount: number): void {
    this.#held -= amount;
    this.#others += amount;
  }

  #settle(givenBack: number, paid: number): void {
    this.#held -= givenBack;
    this.#spent += paid;
    this.#bookSoon();
  }

  #change(id: string, remaining: number): void {
    this.#changed.set(id, remaining);
    this.#bookSoon();
  }

  /** Texts of one batch come back in one moment: one command books them all. */
  #bookSoon(): void {
    if (this.#bookingSoon || this.#retrying) return;
    this.#bookingSoon = true;
    queueMicrotask(() => {
      this.#bookingSoon = false;
      void this.#book();
    });
  }

  /** Never rejects. What a Redis that is away does not hear is told again until it does. */
  async #book(): Promise<void> {
    const told = this.#changed;
    this.#changed = new Map();
    const args = [this.#process, this.#spent, this.#keptSeconds, ...[...told].flat()].map(String);
    try {
      await this.#redis.client.eval(bookScript, 2, ...this.#keys, ...args);
    } catch {
      // What has changed meanwhile is newer.
      this.#changed = new Map([...told, ...this.#changed]);
      this.#bookLater();
    }
  }

  #bookLater(): void {
    if (this.#retrying || this.isOver) return;
    this.#retrying = true;
    setTimeout(() => {
      this.#retrying = false;
      void this.#book();
    }, retryMs).unref();
  }
}

function sumOf(amounts: readonly number[], granted: readonly boolean[]): number {
  return amounts.reduce((sum, amount, i) => (granted[i] ? sum + amount : sum), 0);
}
