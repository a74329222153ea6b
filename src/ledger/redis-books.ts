import { createHash, randomUUID } from 'node:crypto';
import type { Cluster, Redis } from 'ioredis';
import { type Log, silentLog } from '../core/surroundings.ts';
import { type Book, type BookStore, silenceMs } from './book-store.ts';
import { dayMs, keptDays } from './days.ts';
import {
  type Counter,
  counters,
  emptyTotals,
  type Row,
  type RowName,
  readCount,
  readRowName,
  type Totals,
} from './row.ts';

/** A connection that may be replaced by another while it is used. */
export interface BooksConnection {
  readonly client: Redis | Cluster;
  close(): void;
}

/** Seconds that the books of a day are kept, and what a process has written of it. */
const bookSeconds = (keptDays + 1) * (dayMs / 1_000);
const baseSeconds = 3 * (dayMs / 1_000);

/** Rows of one script: Redis does nothing else meanwhile. */
const rowsAtOnce = 200;

/** Days that are asked for in one round trip, and fields of each. */
const daysAtOnce = 40;
const fieldsAtOnce = 1_000;

/** What is known where it is made. */
export interface RedisBooksOptions {
  log?: Log;
  /** Milliseconds since 1970. */
  now?: () => number;
  /** Milliseconds that Redis may take to connect, and for the first of an answer. Default: what a request can afford. */
  waitMs?: number;
}

/** Milliseconds between two looks at what Redis does when it is full. */
const policyMs = 60_000;

/** What a writer's field begins with; those of rows begin with the number of a counter. */
const writerPrefix = 'writer:';

/**
 * KEYS: the books of a day, what this process has written to them. ARGV: the writer's field, the time, the number of this
 * write, whether something was written before, seconds to keep each of the two, whether to note down only, then for each row
 * its name and what each of its counters comes to. Adds to the books what has come since: a write that is repeated, or late,
 * adds nothing. Returns 0 where Redis has forgotten what was written before, 2 where it has forgotten only how much of
 * it came from here: then nothing is added, rather than twice.
 *
 * Numbers stay text: Lua's have 53 bits.
 */
const writeScript = `
  local books, base = KEYS[1], KEYS[2]
  for _, key in ipairs(KEYS) do
    local kind = redis.pcall('HGET', key, 'write')
    if type(kind) == 'table' and kind['err'] then redis.call('DEL', key) end
  end
  local last = redis.call('HGET', base, 'write')
  if not last and ARGV[4] == '1' then return 0 end
  if last and tonumber(last) >= tonumber(ARGV[3]) then return 1 end
  local noteOnly = ARGV[7] == '1' or (not last and redis.call('HGET', books, ARGV[1]))
  local function add(field, amount)
    local answer = redis.pcall('HINCRBY', books, field, amount)
    if type(answer) ~= 'table' or not answer['err'] then return end
    redis.call('HSET', books, field, '0')
    redis.pcall('HINCRBY', books, field, amount)
  end
  for i = 8, #ARGV, ${counters.length + 1} do
    for counter = 1, ${counters.length} do
      local total = ARGV[i + counter]
      local field = counter .. ':' .. ARGV[i]
      local before = redis.call('HGET', base, field) or '0'
      if total ~= before then
        if not noteOnly then
          add(field, total)
          if before ~= '0' then add(field, '-' .. before) end
        end
        redis.call('HSET', base, field, total)
      end
    end
  end
  redis.call('HSET', base, 'write', ARGV[3])
  redis.call('HSET', books, ARGV[1], ARGV[2])
  redis.call('EXPIRE', books, ARGV[5])
  redis.call('EXPIRE', base, ARGV[6])
  return noteOnly and 2 or 1`;

const writeScriptSha = createHash('sha1').update(writeScript).digest('hex');

/**
 * Books that replicas share: a hash for each day, to which each process adds what it has not added yet. A Redis that has lost
 * its data, or went back to an older state, learns again what the processes that live have booked.
 */
export class RedisBooks implements BookStore {
  readonly repeatMs = 60_000;
  readonly #redis: BooksConnection;
  readonly #log: Log;
  readonly #now: () => number;
  readonly #waitMs: number;
  readonly #writer = randomUUID();
  /** Days that something was written to. */
  readonly #begun = new Set<string>();
  #writes = 0;
  #policy: string | undefined;
  #askedPolicyAt = Number.NEGATIVE_INFINITY;

  constructor(
    redis: BooksConnection,
    { log = silentLog, now = Date.now, waitMs = 120 }: RedisBooksOptions = {},
  ) {
    this.#redis = redis;
    this.#log = log;
    this.#now = now;
    this.#waitMs = waitMs;
  }

  get isLossy(): boolean {
    return this.#policy !== undefined && this.#policy !== 'noeviction';
  }

  async write(day: string, rows: readonly Row[], isAll: boolean): Promise<boolean> {
    const written = rows.map((row) => [
      row.name,
      ...counters.map((counter) => String(row.totals()[counter])),
    ]);
    await untilConnected(this.#redis, this.#waitMs);
    let noteOnly = false;
    for (let start = 0; start === 0 || start < written.length; start += rowsAtOnce) {
      const mustKnow = this.#begun.has(day) && !(isAll && start === 0);
      const some = written.slice(start, start + rowsAtOnce).flat();
      const answer = await this.#eval(day, { mustKnow, noteOnly }, some);
      if (answer === 0) return false;
      noteOnly = answer === 2;
      this.#begun.add(day);
    }
    await this.#lookAtPolicy();
    return true;
  }

  async #eval(
    day: string,
    { mustKnow, noteOnly }: { mustKnow: boolean; noteOnly: boolean },
    rows: readonly string[],
  ): Promise<number> {
    this.#writes += 1;
    const args = [
      keyOf(day),
      `${keyOf(day)}:${this.#writer}`,
      `${writerPrefix}${this.#writer}`,
      String(this.#now()),
      String(this.#writes),
      mustKnow ? '1' : '0',
      String(bookSeconds),
      String(baseSeconds),
      noteOnly ? '1' : '0',
      ...rows,
    ];
    const { client } = this.#redis;
    try {
      return Number(await client.evalsha(writeScriptSha, 2, ...args));
    } catch (error) {
      if (!/^NOSCRIPT/.test((error as Error).message)) throw error;
      return Number(await client.eval(writeScript, 2, ...args));
    }
  }

  /** What is kept in a Redis that makes room for something else may go. */
  async #lookAtPolicy(): Promise<void> {
    if (this.#now() - this.#askedPolicyAt < policyMs) return;
    this.#askedPolicyAt = this.#now();
    const before = this.#policy;
    try {
      const info = await this.#redis.client.info('memory');
      this.#policy = /^maxmemory_policy:(\S+)/m.exec(info)?.[1] ?? 'unknown';
    } catch {
      this.#policy = 'unknown';
    }
    if (this.#policy === before || !this.isLossy) return;
    const advice = 'keep the ledger in another one (EMBEDQL_STATE_REDIS_URL)';
    this.#log.warn(
      { policy: this.#policy },
      this.#policy === 'unknown'
        ? 'Redis does not tell its maxmemory-policy, so the ledger may lose figures; let its user run INFO.'
        : `Redis evicts what it has no room for (maxmemory-policy ${this.#policy}), and the ledger may lose figures: set it to noeviction, or ${advice}.`,
    );
  }

  async finish(day: string): Promise<void> {
    await this.#redis.client.hdel(keyOf(day), `${writerPrefix}${this.#writer}`);
    await this.#redis.client.del(`${keyOf(day)}:${this.#writer}`);
    this.#begun.delete(day);
  }

  async *read(days: readonly string[]): AsyncGenerator<Book, void, void> {
    await untilConnected(this.#redis, this.#waitMs);
    if (this.#policy === undefined) await inTime(this.#waitMs, this.#lookAtPolicy());
    for (let start = 0; start < days.length; start += daysAtOnce) {
      const some = days.slice(start, start + daysAtOnce);
      const first = Promise.all(some.map((day) => this.#scan(day, '0')));
      // Later ones may take what it takes: Redis is there.
      const scans = await (start === 0 ? inTime(this.#waitMs, first) : first);
      for (const [i, scan] of scans.entries()) yield await this.#readDay(some[i]!, scan);
    }
  }

  async #scan(day: string, cursor: string): Promise<Scan> {
    try {
      return await this.#redis.client.hscan(keyOf(day), cursor, 'COUNT', fieldsAtOnce);
    } catch (error) {
      if (/^WRONGTYPE/.test((error as Error).message)) return undefined;
      throw error;
    }
  }

  async #readDay(day: string, first: Scan): Promise<Book> {
    const book = new BookReader(`${writerPrefix}${this.#writer}`, this.#now() - silenceMs);
    let scan = first;
    while (scan) {
      const [next, fields] = scan;
      book.add(fields);
      if (next === '0') return book.result();
      scan = await this.#scan(day, next);
    }
    return { ...book.result(), isDamaged: true };
  }

  async close(): Promise<void> {
    this.#redis.close();
  }
}

/** Fields and values, and where to go on; undefined where something else lies at the key. */
type Scan = [next: string, fields: string[]] | undefined;

function keyOf(day: string): string {
  return `{embedql}:ledger:${day}`;
}

/** Puts the fields of a day together. A field may come twice. */
class BookReader {
  readonly #own: string;
  readonly #aliveSince: number;
  readonly #rows = new Map<string, { name: RowName; totals: Record<Counter, bigint> }>();
  readonly #silent = new Set<string>();

  constructor(own: string, aliveSince: number) {
    this.#own = own;
    this.#aliveSince = aliveSince;
  }

  add(fields: readonly string[]): void {
    for (let i = 0; i + 1 < fields.length; i += 2) this.#field(fields[i]!, fields[i + 1]!);
  }

  #field(field: string, value: string): void {
    if (field.startsWith(writerPrefix)) {
      if (field !== this.#own && !(Number(value) >= this.#aliveSince)) this.#silent.add(field);
      return;
    }
    const counter = counters[Number(field[0]) - 1];
    const id = field.slice(2);
    const name = counter && readRowName(id);
    if (!name) return;
    let row = this.#rows.get(id);
    if (!row) {
      row = { name, totals: emptyTotals() };
      this.#rows.set(id, row);
    }
    row.totals[counter] = readCount(value);
  }

  result(): Book {
    const rows = [...this.#rows.values()] as Array<{ name: RowName; totals: Totals }>;
    return { rows, lostSeconds: this.#silent.size, isDamaged: false };
  }
}

/** A connection that is just being made is waited for. */
async function untilConnected({ client }: BooksConnection, ms: number): Promise<void> {
  if (client.status === 'ready') return;
  await new Promise<void>((resolve) => {
    const timer = setTimeout(done, ms);
    function done() {
      clearTimeout(timer);
      client.off('ready', done);
      resolve();
    }
    client.once('ready', done);
  });
}

async function inTime<Value>(ms: number, work: Promise<Value>): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  const timeIsUp = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('Redis does not answer')), ms);
  });
  return Promise.race([work, timeIsUp]).finally(() => clearTimeout(timer));
}
