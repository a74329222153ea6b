import { randomBytes } from 'node:crypto';
import { rename, unlink } from 'node:fs/promises';
import path from 'node:path';
import { setImmediate as otherWork } from 'node:timers/promises';
import { AppendFile } from '../../files/append-file.ts';
import { type FoundRecord, frameBytes, scanRecords } from '../../files/records.ts';
import { decodeVector } from '../codec.ts';
import {
  type DiskKey,
  decodeEntry,
  decodeListing,
  type EntryPlace,
  encodeEntry,
  encodeListing,
  headBytes,
} from './entries.ts';

/** Which segment it is: its place in the order of writing, and what its checksums begin with. */
export interface SegmentName {
  readonly sequence: number;
  readonly seed: number;
}

/** An entry to be written. */
export interface NewEntry extends DiskKey {
  readonly value: Buffer;
  /** Seconds since 1970. */
  readonly writtenAt: number;
}

/** What came of loading a segment. */
export interface Loaded {
  readonly segment: Segment;
  readonly entries: number;
  /** Bytes in the middle that are no record. */
  readonly damagedBytes: number;
}

/** Entries that are noted down together, unless a sync comes first. */
const listedAtOnce = 1_024;

/** Entries that are loaded before other work gets its turn. */
const loadStep = 1_024;

const vectorsSuffix = '.vectors';
const listingSuffix = '.index';
export const asideSuffix = '.damaged';

/** The name of a segment's file of vectors; undefined for any other file. */
export function parseSegmentName(file: string): SegmentName | undefined {
  const [, sequence, seed] = /^(\d{10})-([0-9a-f]{8})\.vectors$/.exec(file) ?? [];
  return sequence === undefined
    ? undefined
    : { sequence: Number(sequence), seed: Number.parseInt(seed!, 16) };
}

function stem({ sequence, seed }: SegmentName): string {
  return `${String(sequence).padStart(10, '0')}-${seed.toString(16).padStart(8, '0')}`;
}

/**
 * Entries in the order of their writing, in a file that only grows, and beside it what lies where in it. The second file saves
 * reading the first at a start; where it is missing, torn or damaged, the first is read.
 */
export class Segment {
  readonly name: SegmentName;
  /** Its number in the index. */
  readonly number: number;
  readonly #vectors: AppendFile;
  readonly #listing: AppendFile | undefined;
  /** What has been written and is in no listing yet. */
  #unlisted: EntryPlace[] = [];
  /** When its newest entry was written, in seconds since 1970. */
  newest = 0;
  /** Whether damage in it was told of. */
  isTold = false;

  private constructor(
    name: SegmentName,
    number: number,
    vectors: AppendFile,
    listing: AppendFile | undefined,
  ) {
    this.name = name;
    this.number = number;
    this.#vectors = vectors;
    this.#listing = listing;
  }

  /** Begins one. @throws Error of the system */
  static async create(folder: string, sequence: number, number: number): Promise<Segment> {
    const name = { sequence, seed: randomBytes(4).readUInt32LE() };
    const file = path.join(folder, stem(name));
    const vectors = await AppendFile.create(file + vectorsSuffix);
    try {
      return new Segment(name, number, vectors, await AppendFile.create(file + listingSuffix));
    } catch (error) {
      await vectors.close();
      await unlink(vectors.path).catch(() => {});
      throw error;
    }
  }

  /** Opens one that is there, for reading, and tells what is in it. @throws Error of the system */
  static async load(
    folder: string,
    name: SegmentName,
    number: number,
    found: (entry: EntryPlace) => void,
  ): Promise<Loaded> {
    const file = path.join(folder, stem(name));
    const vectors = await AppendFile.openToRead(file + vectorsSuffix);
    const listing = await AppendFile.openToRead(file + listingSuffix).catch(() => undefined);
    const segment = new Segment(name, number, vectors, listing);
    let entries = 0;
    const take = (entry: EntryPlace) => {
      entries += 1;
      if (entry.writtenAt > segment.newest) segment.newest = entry.writtenAt;
      found(entry);
    };
    try {
      const gaps = await segment.#readListing(take);
      let damagedBytes = 0;
      for (const [from, to] of gaps) damagedBytes += await segment.#readGap(from, to, take);
      return { segment, entries, damagedBytes };
    } catch (error) {
      await segment.close();
      throw error;
    }
  }

  /** @returns the parts of the vectors' file that no listing covers, in order */
  async #readListing(take: (entry: EntryPlace) => void): Promise<Array<[from: number, to: number]>> {
    const gaps: Array<[number, number]> = [];
    let covered = 0;
    let taken = 0;
    const listing = this.#listing;
    const read = (position: number, length: number) =>
      listing!.read(position, length).catch(() => Buffer.alloc(0));
    for await (const { payload } of scanRecords(read, this.name.seed, 0, listing?.size ?? 0)) {
      const said = decodeListing(payload);
      if (!said || said.from < covered || said.to > this.#vectors.size) continue;
      if (said.from > covered) gaps.push([covered, said.from]);
      covered = said.to;
      for (const entry of said.entries)
        if (entry.offset >= said.from && entry.size > frameBytes && entry.offset + entry.size <= said.to)
          take(entry);
      taken += said.entries.length;
      if (taken < loadStep) continue;
      taken = 0;
      await otherWork();
    }
    if (covered < this.#vectors.size) gaps.push([covered, this.#vectors.size]);
    return gaps;
  }

  /** Looks for entries itself. @returns bytes before the last of them that are none */
  async #readGap(from: number, to: number, take: (entry: EntryPlace) => void): Promise<number> {
    let damagedBytes = 0;
    let at = from;
    for await (const { offset, payload } of this.#scan(from, to)) {
      damagedBytes += offset - at;
      at = offset + frameBytes + payload.length;
      const entry = decodeEntry(payload);
      const stored = entry && decodeVector(entry.value);
      if (!stored) continue;
      const head = Buffer.from(entry.digest.subarray(0, 16));
      take({ label: entry.label, head, offset, size: at - offset, writtenAt: stored.writtenAt });
    }
    // A torn end is what a crash leaves; nothing at all in a whole file is damage.
    return at === 0 ? to : damagedBytes;
  }

  #scan(from: number, to: number): AsyncGenerator<FoundRecord, void, void> {
    return scanRecords((position, length) => this.#vectors.read(position, length), this.name.seed, from, to);
  }

  /** All records in it that are whole and right, in order. */
  records(): AsyncGenerator<FoundRecord, void, void> {
    return this.#scan(0, this.#vectors.size);
  }

  /** Bytes of vectors. */
  get size(): number {
    return this.#vectors.size;
  }

  /** Bytes on the disk. */
  get bytes(): number {
    return this.#vectors.size + (this.#listing?.size ?? 0);
  }

  /** Writes entries. @returns where they lie. @throws Error of the system; then none counts as written */
  async append(entries: readonly NewEntry[]): Promise<EntryPlace[]> {
    const records = entries.map((entry) => encodeEntry(this.name.seed, entry, entry.value));
    const from = await this.#vectors.append(Buffer.concat(records));
    let offset = from;
    const places = entries.map(({ label, digest, writtenAt }, i) => {
      const size = records[i]!.length;
      offset += size;
      if (writtenAt > this.newest) this.newest = writtenAt;
      return { label, head: digest, offset: offset - size, size, writtenAt };
    });
    for (const place of places) this.#unlisted.push({ ...place, head: place.head.subarray(0, headBytes) });
    if (this.#unlisted.length >= listedAtOnce) await this.list();
    return places;
  }

  /** Notes down what has been written. What could not be noted is found all the same: it is looked for at the next start. */
  async list(): Promise<void> {
    const entries = this.#unlisted;
    if (entries.length === 0) return;
    this.#unlisted = [];
    const listing = encodeListing(this.name.seed, {
      from: entries[0]!.offset,
      to: this.#vectors.size,
      entries,
    });
    await this.#listing?.append(listing).catch(() => {});
  }

  /** @throws Error of the system */
  read(from: number, to: number): Promise<Buffer> {
    return this.#vectors.read(from, to - from);
  }

  /** Makes what has been written outlive the machine; others may write meanwhile. @throws Error of the system */
  async sync(): Promise<void> {
    await this.#vectors.sync();
    await this.#listing?.sync();
  }

  isInPlace(): Promise<boolean> {
    return this.#vectors.isInPlace();
  }

  async close(): Promise<void> {
    await Promise.all([this.#vectors.close(), this.#listing?.close()]);
  }

  /** Closes it and deletes its files. */
  async remove(): Promise<void> {
    await this.close();
    await unlink(this.#vectors.path).catch(() => {});
    if (this.#listing) await unlink(this.#listing.path).catch(() => {});
  }

  /** Closes it and gives its file another name, for whoever would like to know what happened to it. */
  async setAside(): Promise<void> {
    await this.close();
    await rename(this.#vectors.path, this.#vectors.path + asideSuffix).catch(() => {});
    if (this.#listing) await unlink(this.#listing.path).catch(() => {});
  }
}
