import { mkdir, readdir, stat, unlink } from 'node:fs/promises';
import path from 'node:path';
import { setImmediate as otherWork } from 'node:timers/promises';
import { parseKey } from '../../core/cache.ts';
import {
  type AnswerRequest,
  type FolderLock,
  lockFolder,
  sweepUnfinishedLocks,
} from '../../files/folder-lock.ts';
import { frameBytes } from '../../files/records.ts';
import { decodeVector, type StoredVector } from '../codec.ts';
import { type IdentityStats, IdentityTally, isIdentityOf } from '../maintenance.ts';
import { type DiskKey, decodeEntry, joinKey } from './entries.ts';
import { KeyIndex, maxNumber, type Place } from './key-index.ts';
import type { ReadGroup } from './reads.ts';
import { asideSuffix, type NewEntry, parseSegmentName, Segment } from './segment.ts';

export interface DiskStoreOptions {
  /** Where the tier's files lie, and nothing else; made where it is not there. */
  folder: string;
  /** Bytes that the files may take up together. */
  maxBytes: number;
  /** Seconds that an entry lives; 0 means for ever. */
  ttlSeconds: number;
  /** What to say to processes that ask the one which has the folder. */
  answer: AnswerRequest;
  /** Whether an entry that would have to go is in use though nobody reads it here. */
  isInUse(key: string): boolean;
}

/** What was found in a folder. */
export interface FolderReport {
  /** Segments that nothing could be read of; they were set aside. */
  asideFiles: number;
  /** Bytes within the other segments that are no entries. */
  damagedBytes: number;
}

/** What a read gives for one entry; undefined for one that has just gone. */
export type ReadEntry = StoredVector | 'damaged' | undefined;

/** The folder below the configured one that the vectors lie in. */
export function vectorsFolder(dir: string): string {
  return path.join(dir, 'vectors');
}

/** Bytes of disk that there is one index entry for at the most: so much bounds the memory. */
const bytesPerEntry = 512;
const leastEntries = 1_000;

/** Bytes that are copied at a time when a segment goes. */
const copyBytes = 262_144;

/**
 * An open folder of segments, oldest first, and the index of what is in them. This process has the folder for itself. Writing,
 * clearing and making room are for one caller at a time; reading is for any number meanwhile.
 */
export class DiskStore {
  readonly #options: DiskStoreOptions;
  readonly #lock: FolderLock;
  readonly #index = new KeyIndex();
  readonly #segments: Segment[] = [];
  readonly #byNumber = new Map<number, Segment>();
  readonly report: FolderReport = { asideFiles: 0, damagedBytes: 0 };
  #active: Segment | undefined;
  #inode: bigint | undefined;
  /** Segments that have ended since the last sync. */
  #unsynced: Segment[] = [];
  #asideBytes = 0;
  #nextSequence = 1;
  #lastNumber = -1;

  private constructor(options: DiskStoreOptions, lock: FolderLock) {
    this.#options = options;
    this.#lock = lock;
  }

  /** @returns undefined while another process has the folder. @throws Error of the system */
  static async open(options: DiskStoreOptions): Promise<DiskStore | undefined> {
    await mkdir(options.folder, { recursive: true, mode: 0o700 });
    const lock = await lockFolder(options.folder, options.answer);
    if (!lock) return undefined;
    const store = new DiskStore(options, lock);
    try {
      await sweepUnfinishedLocks(options.folder);
      await store.#load();
      return store;
    } catch (error) {
      await store.close();
      throw error;
    }
  }

  /** Entries, expired ones included. */
  get entries(): number {
    return this.#index.size;
  }

  /** Bytes of memory that the index takes up. */
  get indexBytes(): number {
    return this.#index.bytes;
  }

  /** Bytes on the disk. */
  get bytes(): number {
    return this.#segments.reduce((sum, { bytes }) => sum + bytes, this.#asideBytes);
  }

  async #load(): Promise<void> {
    const { folder } = this.#options;
    this.#inode = await this.#inodeNow();
    const files = await readdir(folder);
    const kept = new Set<string>();
    for (const file of files.toSorted()) {
      const name = parseSegmentName(file);
      if (!name) continue;
      kept.add(file.replace(/\.vectors$/, '.index'));
      this.#nextSequence = Math.max(this.#nextSequence, name.sequence + 1);
      const number = this.#nextNumber();
      try {
        const { segment, entries, damagedBytes } = await Segment.load(folder, name, number, (entry) =>
          this.#index.set(entry.label, entry.head, { ...entry, segment: number }),
        );
        if (entries > 0) this.#add(segment);
        if (entries > 0) this.report.damagedBytes += damagedBytes;
        else if (damagedBytes > 0) await this.#setAside(segment);
        else await segment.remove();
      } catch {
        // What cannot be opened is left where it is: it may be somebody's to look at.
        this.report.asideFiles += 1;
      }
    }
    // What was set aside in an earlier life, and listings of what is gone.
    const stale = files.filter(
      (file) =>
        file.endsWith(`.vectors${asideSuffix}`) ||
        (/^\d{10}-[0-9a-f]{8}\.index$/.test(file) && !kept.has(file)),
    );
    for (const file of stale) await unlink(path.join(folder, file)).catch(() => {});
  }

  async #setAside(segment: Segment): Promise<void> {
    this.report.asideFiles += 1;
    this.#asideBytes += segment.size;
    await segment.setAside();
  }

  #add(segment: Segment): void {
    this.#segments.push(segment);
    this.#byNumber.set(segment.number, segment);
  }

  #nextNumber(): number {
    do this.#lastNumber = (this.#lastNumber + 1) & maxNumber;
    while (this.#byNumber.has(this.#lastNumber));
    return this.#lastNumber;
  }

  /** Where an entry lies; undefined for one that is not there, or whose time is over. */
  find({ label, digest }: DiskKey): Place | undefined {
    const place = this.#index.get(label, digest);
    return place && !this.#isOver(place.writtenAt) ? place : undefined;
  }

  #isOver(writtenAt: number): boolean {
    const { ttlSeconds } = this.#options;
    return ttlSeconds > 0 && Math.floor(Date.now() / 1000) - writtenAt > ttlSeconds;
  }

  /** Reads the entries of a group. @param keyOf a member's key @throws Error of the system */
  async read(
    { segment: number, from, to, members }: ReadGroup,
    places: ReadonlyArray<Place | undefined>,
    keyOf: (member: number) => DiskKey,
  ): Promise<ReadEntry[]> {
    const segment = this.#byNumber.get(number);
    const bytes = await segment?.read(from, to).catch((error: unknown) => {
      if (this.#byNumber.get(number) === segment) throw error;
    });
    if (!bytes) return members.map(() => undefined);
    return members.map((member) => {
      const { offset, size } = places[member]!;
      const key = keyOf(member);
      // The value has a checksum of its own.
      const entry = decodeEntry(bytes.subarray(offset - from + frameBytes, offset - from + size));
      const isMeant = entry?.label === key.label && entry.digest.equals(key.digest);
      const stored = isMeant ? decodeVector(entry.value) : undefined;
      if (stored) this.#index.use(key.label, key.digest);
      return stored ?? 'damaged';
    });
  }

  /** Lets go of an entry that turned out to be damaged. @returns whether it is the first of its segment that did */
  forget(key: DiskKey, place: Place): boolean {
    const now = this.#index.get(key.label, key.digest);
    if (now?.segment === place.segment && now.offset === place.offset)
      this.#index.delete(key.label, key.digest);
    const segment = this.#byNumber.get(place.segment);
    if (!segment || segment.isTold) return false;
    segment.isTold = true;
    return true;
  }

  /** Writes entries at the end, after making room for them. @throws Error of the system; then none counts as written */
  async write(entries: readonly NewEntry[]): Promise<void> {
    const bytes = entries.reduce((sum, { label, value }) => sum + value.length + label.length + 100, 0);
    await this.#makeRoom(bytes);
    await this.#append(entries);
  }

  async #append(entries: readonly NewEntry[]): Promise<void> {
    if (this.#active && this.#active.bytes >= this.#segmentBytes) await this.#seal();
    if (!this.#active) {
      this.#active = await Segment.create(this.#options.folder, this.#nextSequence, this.#nextNumber());
      this.#nextSequence += 1;
      this.#add(this.#active);
    }
    const segment = this.#active;
    const places = await segment.append(entries);
    for (const { label, head, ...place } of places)
      this.#index.set(label, head, { ...place, segment: segment.number });
  }

  /** Ends the segment that is written to; the next write begins another. It is synced in its time. */
  async #seal(): Promise<void> {
    const active = this.#active;
    this.#active = undefined;
    await active?.list();
    if (active) this.#unsynced.push(active);
  }

  /** Small enough that one of them is a small part of all, large enough that there are not too many. */
  get #segmentBytes(): number {
    const { maxBytes } = this.#options;
    return Math.max(Math.min(maxBytes / 32, 64_000_000), maxBytes / 512);
  }

  /** Lets the oldest go until there is room for so many bytes more, and for what is copied on the way. */
  async #makeRoom(bytes: number): Promise<void> {
    const { maxBytes } = this.#options;
    const mostBytes = maxBytes - this.#segmentBytes - bytes;
    const mostEntries = Math.max(leastEntries, maxBytes / bytesPerEntry);
    await this.#removeOver();
    while (this.bytes > mostBytes || this.entries > mostEntries) {
      if (this.#asideBytes > 0) await this.#removeAside();
      else if (this.#segments.length > 0) await this.#evict(this.#segments[0]!);
      else return;
    }
  }

  async #removeAside(): Promise<void> {
    this.#asideBytes = 0;
    const files = (await readdir(this.#options.folder)).filter((file) => file.endsWith(asideSuffix));
    for (const file of files) await unlink(path.join(this.#options.folder, file)).catch(() => {});
  }

  /** Lets segments go in which nothing is left alive. */
  async #removeOver(): Promise<void> {
    for (const segment of [...this.#segments])
      if (segment !== this.#active && this.#isOver(segment.newest)) await this.#drop(segment);
  }

  /** Lets a segment go; what is in use in it is written again, up to half of it, so that there is always room made. */
  async #evict(segment: Segment): Promise<void> {
    const most = this.#active === segment ? 0 : segment.bytes / 2;
    await this.#copy(segment, most, ({ label, digest }) => {
      const key = { label, digest };
      return this.#index.isUsed(label, digest) || this.#options.isInUse(joinKey(key));
    }).catch(() => {});
    await this.#drop(segment);
  }

  /** Writes entries of a segment again, in small steps. @throws Error of the system */
  async #copy(segment: Segment, mostBytes: number, isKept: (key: DiskKey) => boolean): Promise<void> {
    let copied = 0;
    let batch: NewEntry[] = [];
    let batchBytes = 0;
    const write = async () => {
      if (batch.length > 0) await this.#append(batch);
      batch = [];
      batchBytes = 0;
      await otherWork();
    };
    if (mostBytes === 0) return;
    for await (const { offset, payload } of segment.records()) {
      const entry = decodeEntry(payload);
      const place = entry && this.find(entry);
      if (place?.segment !== segment.number || place.offset !== offset || !isKept(entry!)) continue;
      copied += payload.length;
      if (copied > mostBytes) break;
      const value = Buffer.from(entry!.value);
      batch.push({
        label: entry!.label,
        digest: Buffer.from(entry!.digest),
        value,
        writtenAt: place.writtenAt,
      });
      batchBytes += payload.length;
      if (batchBytes >= copyBytes) await write();
    }
    await write();
  }

  /** Removes a segment and what the index has of it. */
  async #drop(segment: Segment): Promise<void> {
    if (this.#active === segment) this.#active = undefined;
    for (const _ of this.#index.remove(segment.number, () => true)) await otherWork();
    this.#byNumber.delete(segment.number);
    this.#segments.splice(this.#segments.indexOf(segment), 1);
    await segment.remove();
  }

  /** What there is of each model. */
  async stats(model?: string): Promise<IdentityStats[]> {
    const tally = new IdentityTally();
    for (const places of this.#index.places()) {
      for (const { label, size, writtenAt } of places) {
        const { identity, kind } = parseLabel(label);
        if (this.#isOver(writtenAt) || (model !== undefined && !isIdentityOf(identity, model))) continue;
        tally.add(identity, kind, size - frameBytes - 34 - Buffer.byteLength(label));
      }
      await otherWork();
    }
    return tally.result();
  }

  /** Removes what a model has, or all there is, from the disk, too. @returns how many entries. @throws Error of the system */
  async clear(model?: string): Promise<number> {
    const isMeant = (label: string) => model === undefined || isIdentityOf(parseLabel(label).identity, model);
    const segments = new Set<number>();
    for (const places of this.#index.places()) {
      for (const { label, segment } of places) if (isMeant(label)) segments.add(segment);
      await otherWork();
    }
    let removed = 0;
    for (const count of this.#index.remove(-1, isMeant)) {
      removed += count;
      await otherWork();
    }
    await this.#seal();
    for (const segment of [...this.#segments].filter(({ number }) => segments.has(number))) {
      await this.#copy(segment, Number.POSITIVE_INFINITY, ({ label }) => !isMeant(label));
      await this.#drop(segment);
    }
    return removed;
  }

  /** Notes down what has been written, so that the next start need not look for it. */
  async list(): Promise<void> {
    await this.#active?.list();
  }

  /** Makes what has been written outlive the machine; others may write meanwhile. @throws Error of the system */
  async sync(): Promise<void> {
    const ended = this.#unsynced;
    this.#unsynced = [];
    // One that has gone meanwhile has nothing to outlive.
    for (const segment of ended) if (this.#byNumber.get(segment.number) === segment) await segment.sync();
    await this.#active?.sync();
  }

  /** Whether the folder is still the one that was opened, and what is written to still in it. */
  async isInPlace(): Promise<boolean> {
    if ((await this.#inodeNow()) !== this.#inode) return false;
    return (await this.#active?.isInPlace()) ?? true;
  }

  async #inodeNow(): Promise<bigint | undefined> {
    return (await stat(this.#options.folder, { bigint: true }).catch(() => undefined))?.ino;
  }

  async close(): Promise<void> {
    await this.#seal();
    await this.sync().catch(() => {});
    await Promise.all(this.#segments.map((segment) => segment.close()));
    await this.#lock.release();
  }
}

function parseLabel(label: string): { identity: string; kind: 'doc' | 'query' } {
  return parseKey(`${label}:${'0'.repeat(64)}`) ?? { identity: label, kind: 'doc' };
}
