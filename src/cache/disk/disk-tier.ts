import { setTimeout as sleep } from 'node:timers/promises';
import type { CachedVector } from '../../core/cache.ts';
import type { CacheEvents } from '../../core/events.ts';
import { Places } from '../../core/places.ts';
import type { Log } from '../../core/surroundings.ts';
import { encodeVector, type StoredVector } from '../codec.ts';
import { errorWord, timedOut, withTimeout } from '../wait.ts';
import { type DiskKey, splitKey } from './entries.ts';
import type { Place } from './key-index.ts';
import { answerMaintenance } from './maintenance.ts';
import { PendingVectors } from './pending.ts';
import { planReads } from './reads.ts';
import type { NewEntry } from './segment.ts';
import { DiskStore, vectorsFolder } from './store.ts';

export interface DiskTierOptions {
  /** The folder that was configured; the tier's own files lie in a folder below. */
  dir: string;
  /** Bytes that the files may take up together. */
  maxBytes: number;
  /** Seconds that an entry lives; 0 means for ever. */
  ttlSeconds: number;
  /** Milliseconds that a request waits for the disk at the most. Default: `diskWaitMs`. */
  waitMs?: number;
  events: CacheEvents;
  log: Log;
  /** Whether an entry that has to make room is used by the tier in front. Default: none is. */
  isInUse?: (key: string) => boolean;
}

/** Milliseconds that a request waits for a disk: paying again costs more than waiting. One that hangs is waited for once. */
export const diskWaitMs = 2_000;

/** Milliseconds that vectors are gathered before they are written, so that the answer goes out first. */
const gatherMs = 5;

/**
 * Milliseconds between two times that what was written is made to outlive the machine, and between two attempts at a folder
 * that cannot be had.
 */
const everyMs = 1_000;

/** Reads at a time: a disk that hangs must leave threads to everybody else. */
const readsAtOnce = 2;

/**
 * The tier that outlives the process. A folder that cannot be had, is damaged, full, gone or another process's makes misses,
 * one line in the log, and no errors; it is tried again every second.
 */
export class DiskTier {
  readonly #options: DiskTierOptions;
  #store: DiskStore | undefined;
  #state: 'opening' | 'open' | 'away' | 'closed' = 'opening';
  readonly #pending = new PendingVectors();
  #wake: () => void = () => {};
  /** What could not be written; it is tried again. */
  #unwritten: readonly NewEntry[] | undefined;
  #hangs = false;
  #isTold = false;
  /** What was told last, for those who ask. */
  #trouble = '';
  #isBehind = false;
  #isDirty = false;
  readonly #reads = new Places(() => readsAtOnce);
  readonly #closed = new AbortController();
  readonly #opened: Promise<void>;
  readonly #running: Promise<void>;
  /** Writing, clearing and syncing, one after the other. */
  #work: Promise<unknown> = Promise.resolve();
  #pumping: Promise<void> | undefined;

  constructor(options: DiskTierOptions) {
    this.#options = options;
    let opened = () => {};
    this.#opened = new Promise((resolve) => {
      opened = resolve;
    });
    this.#running = this.#run(opened);
  }

  /** Whether it is asked at the moment. */
  get available(): boolean {
    return this.#state === 'open' && !this.#hangs;
  }

  /** Whether it can be read and written. */
  get healthy(): boolean {
    return this.available && this.#unwritten === undefined;
  }

  /** What stands in the way, and what to do; undefined where nothing does. */
  get problem(): string | undefined {
    if (this.#state === 'opening' || this.#state === 'closed' || this.healthy) return undefined;
    if (this.#hangs) return 'The disk cache does not answer; it is left alone until it does.';
    return `The disk cache ${this.#trouble}.`;
  }

  /** Bytes of memory that its index takes up. */
  get indexBytes(): number {
    return this.#store?.indexBytes ?? 0;
  }

  /** Waits until it is known whether the folder can be had, for `ms` at the most. */
  async ready(ms: number): Promise<void> {
    await withTimeout(ms, this.#opened);
  }

  /** Same length and order as `keys`; undefined for whatever cannot be had in time. */
  async getMany(keys: readonly string[]): Promise<Array<StoredVector | undefined>> {
    const { waitMs = diskWaitMs } = this.#options;
    const started = performance.now();
    if (this.#state === 'opening') await this.ready(waitMs);
    const found: Array<StoredVector | undefined> = keys.map((key) => this.#pending.get(key));
    const store = this.#store;
    if (!store || !this.available) return found;
    const reading = this.#read(store, keys, found);
    if ((await withTimeout(waitMs - (performance.now() - started), reading)) === timedOut) {
      this.#options.events.cacheError('read');
      this.#hang(reading, waitMs);
    }
    // What is read from now on is for nobody.
    return [...found];
  }

  /** Whether there are entries, by the index alone. Same length and order as `keys`. */
  async hasMany(keys: readonly string[]): Promise<boolean[]> {
    if (this.#state === 'opening') await this.ready(this.#options.waitMs ?? diskWaitMs);
    const store = this.available ? this.#store : undefined;
    return keys.map((key) => {
      if (this.#pending.has(key)) return true;
      const parts = store && splitKey(key);
      return parts !== undefined && store!.find(parts) !== undefined;
    });
  }

  /** An entry that checked out was none of the model's. What is computed takes its place. */
  unusable(): void {
    this.#options.events.cacheError('decode');
  }

  /** Never rejects. */
  async #read(
    store: DiskStore,
    keys: readonly string[],
    found: Array<StoredVector | undefined>,
  ): Promise<void> {
    const asked = keys.map((key, i) => (found[i] ? undefined : splitKey(key)));
    const places = asked.map((key) => key && store.find(key));
    const reads = planReads(places).map((group) =>
      this.#reads.use(async () => {
        const entries = await store.read(group, places, (member) => asked[member]!);
        for (const [n, member] of group.members.entries()) {
          const entry = entries[n]!;
          if (entry !== 'damaged') found[member] = entry;
          else this.#damaged(store, asked[member]!, places[member]!);
        }
      }),
    );
    for (const { reason } of (await Promise.allSettled(reads)).filter(
      ({ status }) => status === 'rejected',
    ) as PromiseRejectedResult[]) {
      this.#options.events.cacheError('read');
      this.#tellOnce('cannot be read', reason);
    }
  }

  #damaged(store: DiskStore, key: DiskKey, place: Place): void {
    this.#options.events.cacheError('decode');
    if (store.forget(key, place) && store === this.#store)
      this.#options.log.warn(
        { dir: this.#options.dir },
        'A file of the disk cache is damaged; what cannot be read in it is computed again',
      );
  }

  /** Leaves the disk alone until it answers. */
  #hang(reading: Promise<void>, waitMs: number): void {
    if (this.#hangs) return;
    this.#hangs = true;
    const { dir, log } = this.#options;
    log.warn({ dir }, `The disk cache does not answer within ${waitMs} ms; it is left alone until it does`);
    void reading.then(() => {
      this.#hangs = false;
      log.info({ dir }, 'The disk cache answers again');
    });
  }

  /** Returns at once; nobody waits for the writing. */
  setMany(entries: ReadonlyArray<readonly [key: string, value: CachedVector]>): void {
    const writtenAt = Math.floor(Date.now() / 1000);
    for (const [key, { vector, tokens, truncated }] of entries)
      this.#add(key, { vector, tokens, truncated, writtenAt });
  }

  /** Keeps what another tier had, unless it is here. Returns at once. */
  keep(key: string, value: StoredVector): void {
    const parts = splitKey(key);
    if (parts && !this.#store?.find(parts)) this.#add(key, value);
  }

  #add(key: string, value: StoredVector): void {
    const isTooLarge = value.vector.byteLength > this.#options.maxBytes / 4;
    if (this.#state !== 'open' || isTooLarge || !splitKey(key)) return;
    if (!this.#pending.add(key, value)) {
      this.#fallBehind();
      return;
    }
    this.#pumping ??= this.#pump().finally(() => {
      this.#pumping = undefined;
    });
  }

  /** More is computed than the disk takes. */
  #fallBehind(): void {
    this.#options.events.cacheError('write');
    if (this.#isBehind) return;
    this.#isBehind = true;
    const { dir, log } = this.#options;
    log.warn({ dir }, 'The disk cache cannot keep up; some of what is computed is not kept on the disk');
  }

  /** Writes what waits, until nothing does. Never rejects. */
  async #pump(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      setTimeout(resolve, gatherMs);
    });
    while (this.#pending.size > 0) await this.#inTurn(() => this.#writeSome());
    this.#isBehind = false;
  }

  async #writeSome(): Promise<void> {
    const values = this.#pending.next();
    await this.#write(
      values.map(([key, value]) => ({
        ...splitKey(key)!,
        value: encodeVector(value),
        writtenAt: value.writtenAt,
      })),
    );
    this.#pending.done(values);
  }

  /** Never rejects. */
  async #write(entries: readonly NewEntry[]): Promise<void> {
    const { dir, events, log } = this.#options;
    try {
      await this.#store?.write(entries);
      this.#isDirty = true;
      if (this.#unwritten) log.info({ dir }, 'The disk cache takes writes again');
      this.#unwritten = undefined;
    } catch (error) {
      events.cacheError('write');
      if (!this.#unwritten) {
        const what =
          'takes no writes; what is computed stays in the other tiers. Make room on the disk, or check who may write there';
        this.#trouble = `${what} (${describe(error)})`;
        log.warn({ dir, reason: describe(error) }, `The disk cache ${what}`);
      }
      this.#unwritten ??= entries;
    }
  }

  /** Runs one piece of work after the other. */
  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#work.then(work);
    this.#work = result.catch(() => {});
    return result;
  }

  /** Answers processes that ask the one which has the folder. @throws Error of the system */
  #answer(request: string): Promise<string> {
    return this.#inTurn(async () => {
      if (!this.#store) throw new Error('the folder is closed');
      return answerMaintenance(this.#store, request);
    });
  }

  /** Resolves once everything that waits has been written or given up. */
  async flush(): Promise<void> {
    while (this.#pumping) {
      this.#wake();
      await this.#pumping;
    }
  }

  async close(): Promise<void> {
    if (this.#state === 'opening') await this.#opened;
    await this.flush();
    this.#state = 'closed';
    this.#closed.abort();
    await this.#running;
    await this.#inTurn(async () => this.#letGo());
  }

  async #letGo(): Promise<void> {
    const store = this.#store;
    this.#store = undefined;
    await store?.close();
  }

  /** Opens the folder, as often as it takes, and looks after it. Never rejects. */
  async #run(opened: () => void): Promise<void> {
    while (this.#state !== 'closed') {
      if (this.#store) await this.#lookAfter();
      else await this.#open();
      opened();
      await sleep(everyMs, undefined, { ref: false, signal: this.#closed.signal }).catch(() => {});
    }
  }

  async #open(): Promise<void> {
    const { dir, maxBytes, ttlSeconds, log, isInUse = () => false } = this.#options;
    const started = performance.now();
    try {
      const folder = vectorsFolder(dir);
      const answer = (request: string) => this.#answer(request);
      const store = await DiskStore.open({ folder, maxBytes, ttlSeconds, answer, isInUse });
      if (!store) return this.#tellOnce('is another process’s; this one goes without until that ends');
      if (this.#closed.signal.aborted) return store.close();
      this.#store = store;
      this.#state = 'open';
      this.#isTold = false;
      this.#unwritten = undefined;
      const { asideFiles, damagedBytes } = store.report;
      if (asideFiles + damagedBytes > 0)
        log.warn({ dir, asideFiles, damagedBytes }, 'Parts of the disk cache are damaged; they are left out');
      const ms = Math.round(performance.now() - started);
      log.info({ dir, entries: store.entries, bytes: store.bytes, ms }, 'The disk cache is open');
    } catch (error) {
      this.#tellOnce('cannot be used; check that the folder may be made, read and written', error);
    }
  }

  #tellOnce(what: string, error?: unknown): void {
    if (this.#state === 'opening') this.#state = 'away';
    if (this.#isTold || this.#state === 'closed') return;
    this.#isTold = true;
    this.#trouble = error === undefined ? what : `${what} (${describe(error)})`;
    const { dir, log } = this.#options;
    log.warn(error === undefined ? { dir } : { dir, reason: describe(error) }, `The disk cache ${what}`);
  }

  /** Sees whether the folder is still there, and makes what was written outlive the machine. Never rejects. */
  async #lookAfter(): Promise<void> {
    const store = this.#store;
    if (!store || !(this.#isDirty || this.#unwritten)) return;
    if (!(await store.isInPlace())) {
      this.#state = 'away';
      this.#trouble = 'has lost its folder, and begins it again';
      this.#options.log.warn(
        { dir: this.#options.dir },
        'The folder of the disk cache is gone; it is begun again',
      );
      return this.#inTurn(() => this.#letGo());
    }
    this.#isDirty = false;
    await this.#inTurn(async () => {
      if (this.#unwritten) await this.#write(this.#unwritten);
      await store.list();
    });
    // Not in turn: a disk may take long for it, and more is to be written meanwhile.
    await store.sync().catch((error: unknown) => {
      this.#options.events.cacheError('write');
      this.#tellOnce('cannot be made to outlive the machine', error);
    });
  }
}

/** The system's word for what is wrong. No more: messages repeat paths. */
function describe(error: unknown): string {
  return errorWord(error) ?? 'unknown';
}
