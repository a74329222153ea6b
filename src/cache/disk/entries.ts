import { createHash } from 'node:crypto';
import { parseKey } from '../../core/cache.ts';
import { frameRecord } from '../../files/records.ts';

/** A cache key, taken apart. */
export interface DiskKey {
  /** Everything before the text's hash: whose vector it is, and of which kind. */
  readonly label: string;
  /** SHA-256 of the text. */
  readonly digest: Buffer;
}

const digestBytes = 32;
const longestLabel = 4_096;

/** The parts of a key; undefined for one that is not ours. */
export function splitKey(key: string): DiskKey | undefined {
  if (key.length > longestLabel || !parseKey(key)) return undefined;
  return { label: key.slice(0, -65), digest: Buffer.from(key.slice(-64), 'hex') };
}

export function joinKey({ label, digest }: DiskKey): string {
  return `${label}:${digest.toString('hex')}`;
}

/** An entry of a segment: length of the label (2), label, digest (32), value. */
export function encodeEntry(seed: number, { label, digest }: DiskKey, value: Buffer): Buffer {
  const name = Buffer.from(label);
  const length = Buffer.alloc(2);
  length.writeUInt16LE(name.length);
  return frameRecord(seed, [length, name, digest, value]);
}

/** The parts of an entry's payload, as views; undefined where it is none. */
export function decodeEntry(payload: Buffer): (DiskKey & { value: Buffer }) | undefined {
  if (payload.length < 2) return undefined;
  const end = 2 + payload.readUInt16LE(0);
  if (payload.length < end + digestBytes) return undefined;
  return {
    label: payload.toString('utf8', 2, end),
    digest: payload.subarray(end, end + digestBytes),
    value: payload.subarray(end + digestBytes),
  };
}

/** Where an entry lies within its segment. */
export interface EntryPlace {
  readonly label: string;
  /** The first half of the digest. */
  readonly head: Buffer;
  readonly offset: number;
  /** Bytes of its record. */
  readonly size: number;
  /** Seconds since 1970. */
  readonly writtenAt: number;
}

/** What lies between two positions of a segment. */
export interface Listing {
  readonly from: number;
  readonly to: number;
  readonly entries: readonly EntryPlace[];
}

/** Bytes of a digest that tell texts apart well enough to find them; what is found is compared whole. */
export const headBytes = 16;
const placeBytes = 2 + headBytes + 12;

/**
 * A listing of what was written: from (4), to (4), number of labels (2), each with its length (2), then entries: label (2),
 * head of the digest (16), offset (4), size (4), time of writing (4).
 */
export function encodeListing(seed: number, { from, to, entries }: Listing): Buffer {
  const labels = [...new Set(entries.map(({ label }) => label))];
  const numbers = new Map(labels.map((label, i) => [label, i]));
  const head = Buffer.alloc(10);
  head.writeUInt32LE(from, 0);
  head.writeUInt32LE(to, 4);
  head.writeUInt16LE(labels.length, 8);
  const names = labels.flatMap((label) => {
    const name = Buffer.from(label);
    const length = Buffer.alloc(2);
    length.writeUInt16LE(name.length);
    return [length, name];
  });
  const places = Buffer.alloc(entries.length * placeBytes);
  for (const [i, entry] of entries.entries()) {
    const at = i * placeBytes;
    places.writeUInt16LE(numbers.get(entry.label)!, at);
    entry.head.copy(places, at + 2, 0, headBytes);
    places.writeUInt32LE(entry.offset, at + 18);
    places.writeUInt32LE(entry.size, at + 22);
    places.writeUInt32LE(entry.writtenAt, at + 26);
  }
  return frameRecord(seed, [head, ...names, places]);
}

/** What a listing's payload says; undefined where it is none. */
export function decodeListing(payload: Buffer): Listing | undefined {
  if (payload.length < 10) return undefined;
  const labels: string[] = [];
  let at = 10;
  for (let left = payload.readUInt16LE(8); left > 0; left--) {
    if (at + 2 > payload.length) return undefined;
    const end = at + 2 + payload.readUInt16LE(at);
    labels.push(payload.toString('utf8', at + 2, end));
    at = end;
  }
  if (at > payload.length || (payload.length - at) % placeBytes !== 0) return undefined;
  const entries: EntryPlace[] = [];
  for (; at < payload.length; at += placeBytes) {
    const label = labels[payload.readUInt16LE(at)];
    if (label === undefined) return undefined;
    entries.push({
      label,
      head: payload.subarray(at + 2, at + 2 + headBytes),
      offset: payload.readUInt32LE(at + 18),
      size: payload.readUInt32LE(at + 22),
      writtenAt: payload.readUInt32LE(at + 26),
    });
  }
  return { from: payload.readUInt32LE(0), to: payload.readUInt32LE(4), entries };
}

/** Sixteen bytes that stand for a label. */
export function hashLabel(label: string): Buffer {
  return createHash('sha256').update(label).digest().subarray(0, headBytes);
}
