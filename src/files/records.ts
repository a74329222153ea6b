import { crc32 } from 'node:zlib';

/**
 * Bytes before a payload, all little-endian: what every record begins with (4), length of the payload (4), checksum of the
 * payload (4), checksum of the twelve before (4). So a length is believed only where it checks out, and a reader that has
 * lost its place finds the next record by its beginning.
 */
export const frameBytes = 16;

/** What every record begins with; the last byte is the version of the format. */
const marker = Buffer.from([0xe3, 0x51, 0x4c, 0x01]);

/** The longest payload there is; a length beyond it is damage. */
export const maxPayloadBytes = 64_000_000;

/** Bytes that a scan reads at a time. */
const chunkBytes = 1_048_576;

/**
 * A payload as it lies in a file.
 * @param seed begins every checksum: what was framed for another file, or made up inside of a payload, does not check out
 * @param parts of the payload, in order
 */
export function frameRecord(seed: number, parts: readonly Buffer[]): Buffer {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const record = Buffer.allocUnsafe(frameBytes + length);
  marker.copy(record);
  record.writeUInt32LE(length, 4);
  let at = frameBytes;
  for (const part of parts) at += part.copy(record, at);
  record.writeUInt32LE(crc32(record.subarray(frameBytes), seed), 8);
  record.writeUInt32LE(crc32(record.subarray(0, 12), seed), 12);
  return record;
}

/** The payload's length and checksum, where a frame begins at `at`; undefined where none does that checks out. */
function readFrame(
  bytes: Buffer,
  at: number,
  seed: number,
): { length: number; checksum: number } | undefined {
  if (bytes.compare(marker, 0, marker.length, at, at + marker.length) !== 0) return undefined;
  if (bytes.readUInt32LE(at + 12) !== crc32(bytes.subarray(at, at + 12), seed)) return undefined;
  const length = bytes.readUInt32LE(at + 4);
  return length > maxPayloadBytes ? undefined : { length, checksum: bytes.readUInt32LE(at + 8) };
}

/** A record that a scan came upon. */
export interface FoundRecord {
  /** Where its frame begins. */
  readonly offset: number;
  /** A view into what was read; copy what is to be kept. */
  readonly payload: Buffer;
}

/** Reads up to `length` bytes from `position`; fewer where the file ends. */
export type ReadBytes = (position: number, length: number) => Promise<Buffer>;

/**
 * All records between two positions that are whole and right, in order. What is torn or damaged is passed over: the scan
 * goes on with the next record behind it.
 */
export async function* scanRecords(
  read: ReadBytes,
  seed: number,
  from: number,
  to: number,
): AsyncGenerator<FoundRecord, void, void> {
  let window: Buffer = Buffer.alloc(0);
  let windowAt = from;
  let at = from;
  /** Whether the window has so many bytes from `at` on, once more is read. */
  const has = async (bytes: number): Promise<boolean> => {
    if (at + bytes <= windowAt + window.length) return true;
    if (at + bytes > to) return false;
    window = await read(at, Math.min(Math.max(bytes, chunkBytes), to - at));
    windowAt = at;
    return bytes <= window.length;
  };
  while (await has(frameBytes)) {
    const frame = readFrame(window, at - windowAt, seed);
    if (frame && (await has(frameBytes + frame.length))) {
      const begin = at - windowAt + frameBytes;
      const payload = window.subarray(begin, begin + frame.length);
      const offset = at;
      at += frameBytes + frame.length;
      if (crc32(payload, seed) === frame.checksum) yield { offset, payload };
      continue;
    }
    const next = window.indexOf(marker, at - windowAt + 1);
    // A marker may begin in the last bytes that were read.
    at = next === -1 ? Math.max(at + 1, windowAt + window.length - marker.length + 1) : windowAt + next;
  }
}
