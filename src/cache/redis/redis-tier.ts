import type { CachedVector } from '../../core/cache.ts';
import { type Clock, sleep, systemClock, type Timer } from '../../core/clock.ts';
import type { CacheEvents } from '../../core/events.ts';
import type { Log } from '../../core/surroundings.ts';
import { decodeVector, encodeVector, type StoredVector } from '../codec.ts';
import { errorWord, timedOut, withTimeout } from '../wait.ts';
import { type ClaimedValue, type RedisCommands, redisCommands } from './commands.ts';
import type { RedisLink } from './connect.ts';

export interface RedisTierOptions {
  /** Seconds that an entry lives; 0 means for ever. */
  ttlSeconds: number;
  /** Milliseconds after which a Redis that does not answer counts as away. */
  waitMs: number;
  events: CacheEvents;
  log: Log;
  /** Default: the real time. */
  clock?: Clock;
}

/** What a key turns out to be: its value, or who computes it now; undefined where Redis did not say. */
export type Stored = StoredVector | 'ours' | 'theirs' | undefined;

const noAnswer = 'no answer yet';

/** Milliseconds after which a Redis that has never answered is away: once it is known why, and at the latest. */
const refusedMs = 1_000;
const silentMs = 2_500;

/** Milliseconds that a ping may take. */
const pingMs = 200;

/** Milliseconds for which a lease is believed, and after which its holder renews it. */
const leaseMs = 3_000;
const renewMs = 1_000;

/** Milliseconds between two questions to a Redis that is away. */
const probeMs = 250;

/** Milliseconds between two attempts at writing where writing has failed. */
const retryWriteMs = 1_000;

/** Bytes on their way to Redis; more are not written. A slow Redis must not fill our memory. */
const maxPendingBytes = 64_000_000;

/**
 * The tier that replicas share. A Redis that is slow, gone or wrong makes misses, never errors: those who
 * meet it wait for `waitMs`, and nobody after that until it answers a ping again.
 */
export class RedisTier {
  readonly #link: Pick<RedisLink, 'onError' | 'close'>;
  readonly #commands: RedisCommands;
  /** Keys that this process is computing. */
  readonly #leases = new Set<string>();
  readonly #options: RedisTierOptions;
  readonly #clock: Clock;
  #renewing: Timer | undefined;
  #state: 'connecting' | 'up' | 'away' | 'closed' = 'connecting';
  #lastError = noAnswer;
  /** What has become of the last attempt to connect. */
  #connectionError: Error | undefined;
  #pendingBytes = 0;
  readonly #writes = new Set<Promise<void>>();
  /** An entry that could not be written, though Redis answers: full, or read-only. */
  #unwritten: readonly [key: string, value: Buffer] | undefined;
  /** Why it is away, or takes no writes. */
  #trouble = '';
  #endPause: () => void = () => {};
  readonly #watching: Promise<void>;

  constructor(link: RedisLink, options: RedisTierOptions);
  /** @param commands what is asked of Redis, where that is not said over `link` itself */
  constructor(link: Pick<RedisLink, 'onError' | 'close'>, options: RedisTierOptions, commands: RedisCommands);
  constructor(link: RedisLink, options: RedisTierOptions, commands = redisCommands(link)) {
    this.#link = link;
    this.#commands = commands;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    link.onError((error) => {
      // What says nothing of the cause must not hide what does.
      if (errorWord(error) === undefined && this.#connectionError && !isReply(error)) return;
      this.#connectionError = error;
      this.#lastError = describe(error);
    });
    this.#watching = this.#watch();
    this.#renewLater();
  }

  /** Whether it is asked at the moment. */
  get available(): boolean {
    return this.#state === 'up';
  }

  /** Whether it can be read and written. */
  get healthy(): boolean {
    return this.available && this.#unwritten === undefined;
  }

  /** What stands in the way, and what to do; undefined where nothing does. */
  get problem(): string | undefined {
    if (this.#state === 'away')
      return `Redis is unreachable (${this.#trouble}); memory serves until it is back. Check that it runs, its address and its password.`;
    if (!this.#unwritten) return undefined;
    return `Redis accepts no writes (${this.#trouble}); what it holds is still read. Make room there, or check what its user may do.`;
  }

  /** Waits for the first answer, for `ms` at the most. */
  async ready(ms: number): Promise<void> {
    const end = this.#clock.now() + ms;
    while (this.#state === 'connecting' && this.#clock.now() < end) await sleep(this.#clock, 5);
  }

  /** Same length and order as `keys`; undefined for whatever cannot be had within `waitMs`. */
  async getMany(
    keys: readonly string[],
    waitMs = this.#options.waitMs,
  ): Promise<Array<StoredVector | undefined>> {
    const values = await this.#ask(keys, waitMs, () => this.#commands.getMany(keys));
    return values.map((value) => (value ? this.#read(value) : undefined));
  }

  /** Whether there are values; false for whatever cannot be known within `waitMs`. Same length and order as `keys`. */
  async hasMany(keys: readonly string[], waitMs = this.#options.waitMs): Promise<boolean[]> {
    const answers = await this.#ask(keys, waitMs, () => this.#commands.hasMany(keys));
    return answers.map((answer) => answer === true);
  }

  /** Reads, and takes the lease on what is not there, so that other replicas know that we compute it. */
  async claimMany(keys: readonly string[], waitMs: number): Promise<Stored[]> {
    const values = await this.#ask(keys, waitMs, () => this.#claimOrRead(keys));
    return values.map((value, i) => {
      if (value === 'ours') this.#leases.add(keys[i]!);
      if (value === undefined || value === 'ours' || value === 'theirs') return value;
      return this.#read(value);
    });
  }

  /** A Redis that takes no writes at the moment, or no scripts from this user, can be read all the same. */
  async #claimOrRead(keys: readonly string[]): Promise<Array<ClaimedValue | undefined>> {
    const claimed = await this.#commands.claimMany(keys, leaseMs);
    if (!claimed.some(refusesLeases)) return claimed;
    const values = await this.#commands.getMany(keys);
    return values.map((value) => value ?? undefined);
  }

  /** A value that checked out was none of the model's. What is computed takes its place. */
  unusable(): void {
    this.#options.events.cacheError('decode');
  }

  /** Gives leases back whose texts were not computed. Returns at once. */
  release(keys: readonly string[]): void {
    const held = keys.filter((key) => this.#leases.delete(key));
    // What Redis does not hear ends by itself.
    if (held.length > 0 && this.available) this.#commands.release(held).catch(() => {});
  }

  /** What Redis answers for each key; undefined where it is away, or is from now on. */
  async #ask<Value>(
    keys: readonly string[],
    waitMs: number,
    ask: () => Promise<Array<Value | Error>>,
  ): Promise<Array<Value | Error | undefined>> {
    const nothing = () => keys.map(() => undefined);
    if (!this.available || keys.length === 0) return nothing();
    try {
      const answer = await withTimeout(waitMs, ask(), this.#clock);
      if (answer !== timedOut) {
        const failed = answer.filter((value) => value instanceof Error);
        if (failed.length < answer.length || failed.some(isAboutTheKey)) return answer;
        // One question that failed as a whole, and not as many as it has keys.
        this.#wentAway(this.#reasonFor(failed[0]));
      } else if (waitMs >= this.#options.waitMs) {
        // Somebody with little time left says nothing about Redis.
        this.#wentAway(`no answer within ${Math.round(waitMs)} ms`);
      }
    } catch (error) {
      if (!isReply(error)) this.#wentAway(this.#reasonFor(error));
    }
    this.#options.events.cacheError('read');
    return nothing();
  }

  #renewLater(): void {
    this.#renewing = this.#clock.after(renewMs, () => {
      this.#renew();
      this.#renewLater();
    });
    this.#renewing.unref?.();
  }

  #renew(): void {
    if (this.#leases.size > 0 && this.available)
      this.#commands.renew([...this.#leases], leaseMs).catch(() => {});
  }

  /** Returns at once; what cannot be written is only counted. */
  setMany(entries: ReadonlyArray<readonly [key: string, value: CachedVector]>): void {
    for (const [key] of entries) this.#leases.delete(key);
    if (!this.available || entries.length === 0) return;
    const writtenAt = Math.floor(this.#clock.date() / 1000);
    const values = entries.map(([key, value]) => [key, encodeVector({ ...value, writtenAt })] as const);
    const writing = this.#write(values).finally(() => this.#writes.delete(writing));
    this.#writes.add(writing);
  }

  /** Resolves once everything that is on its way has been written or given up. */
  async flush(): Promise<void> {
    await Promise.all(this.#writes);
  }

  async close(): Promise<void> {
    // What has been computed was paid for: let it be written.
    await this.flush();
    this.#renewing?.cancel();
    if (this.#leases.size > 0 && this.available)
      await this.#commands.release([...this.#leases]).catch(() => {});
    this.#state = 'closed';
    this.#endPause();
    this.#link.close();
    await this.#watching;
  }

  #read(value: Buffer | Error): StoredVector | undefined {
    const stored = value instanceof Error ? undefined : decodeVector(value);
    if (!stored) this.#options.events.cacheError(value instanceof Error ? 'read' : 'decode');
    return stored;
  }

  async #write(entries: ReadonlyArray<readonly [key: string, value: Buffer]>): Promise<void> {
    const bytes = entries.reduce((sum, [, value]) => sum + value.length, 0);
    if (this.#pendingBytes + bytes > maxPendingBytes) return this.#options.events.cacheError('write');
    this.#pendingBytes += bytes;
    try {
      const errors = await this.#commands.setMany(entries, this.#options.ttlSeconds);
      const failed = errors.findIndex((error) => error !== null);
      if (failed === -1) this.#writesAgain();
      else this.#cannotWrite(errors[failed]!, entries[failed]!);
    } catch (error) {
      this.#cannotWrite(error, entries[0]!);
    } finally {
      this.#pendingBytes -= bytes;
    }
  }

  #cannotWrite(error: unknown, entry: readonly [string, Buffer]): void {
    this.#options.events.cacheError('write');
    // A connection that broke is met by the next reader, too; full or read-only is met by writers alone.
    if (!isReply(error) || this.#unwritten) return;
    this.#unwritten = entry;
    this.#trouble = describe(error);
    this.#options.log.warn({ reason: this.#trouble }, 'Redis accepts no writes; new vectors stay in memory');
  }

  #writesAgain(): void {
    if (!this.#unwritten) return;
    this.#unwritten = undefined;
    this.#options.log.info('Redis accepts writes again');
  }

  #wentAway(reason: string): void {
    if (this.#state === 'away' || this.#state === 'closed') return;
    this.#state = 'away';
    this.#trouble = reason;
    this.#options.log.warn({ reason }, 'Redis is unreachable; the memory tier serves');
  }

  /** Asks a Redis that is away whether it is back, and one that refuses writes whether it takes them. */
  async #watch(): Promise<void> {
    const started = this.#clock.now();
    let lastWrite = 0;
    while (this.#state !== 'closed') {
      if (!this.available) await this.#probe();
      else if (this.#unwritten && this.#clock.now() - lastWrite > retryWriteMs) {
        lastWrite = this.#clock.now();
        await this.#write([this.#unwritten]);
      }
      // A Redis that was never reachable is reported, too.
      const patienceMs = this.#connectionError ? refusedMs : silentMs;
      if (this.#state === 'connecting' && this.#clock.now() - started > patienceMs)
        this.#wentAway(this.#lastError);
      const pauseMs = this.#state === 'connecting' ? 10 : probeMs;
      await this.#pause(pauseMs);
    }
  }

  /** Ends early when the tier is closed. */
  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      if (this.#state === 'closed') return resolve();
      const timer = this.#clock.after(ms, resolve);
      timer.unref?.();
      this.#endPause = () => {
        timer.cancel();
        resolve();
      };
    });
  }

  /** A command without a connection fails for what the connection failed for. */
  #reasonFor(error: unknown): string {
    if (isReply(error) || errorWord(error) !== undefined) return describe(error);
    return this.#connectionError ? describe(this.#connectionError) : noAnswer;
  }

  async #probe(): Promise<void> {
    const wasAway = this.#state === 'away';
    try {
      const answer = await withTimeout(pingMs, this.#commands.ping(), this.#clock);
      if (answer === timedOut || this.#state === 'closed') return;
    } catch (error) {
      this.#lastError = this.#reasonFor(error);
      return;
    }
    this.#state = 'up';
    this.#connectionError = undefined;
    if (wasAway) this.#options.log.info('Redis is back');
  }
}

/** Full, read-only, without its disk, or not for this user: nothing is wrong with reading. */
function refusesLeases(value: unknown): boolean {
  return (
    value instanceof Error &&
    /^(OOM|READONLY|MISCONF|NOREPLICAS|NOPERM|ERR unknown command)/.test(value.message)
  );
}

/** An error that Redis itself answered, as opposed to one of the connection. */
function isReply(error: unknown): boolean {
  return error instanceof Error && error.name === 'ReplyError';
}

/** Something of another type lies under a key: no reason to stop asking for others. */
function isAboutTheKey(error: unknown): boolean {
  return isReply(error) && /^WRONGTYPE/.test((error as Error).message);
}

/** Enough to know what is wrong. */
function describe(error: unknown): string {
  return errorWord(error) ?? (error as { message?: string }).message ?? 'unknown';
}
