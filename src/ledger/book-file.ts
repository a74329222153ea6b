import { stat } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { AppendFile } from '../files/append-file.ts';
import { frameBytes, frameRecord, scanRecords } from '../files/records.ts';
import { counters, readCount, type Totals } from './row.ts';

/** Begins every checksum: a record of something else is none of a ledger. */
const seed = crc32('embedql ledger');

/** A row as it stands in a record: its name, then what each counter comes to. */
type WrittenRow = readonly string[];

/** What one record says. Of a row, the last one counts. */
interface BookRecord {
  rows?: readonly WrittenRow[];
  /** The process writes no more. */
  finished?: true;
  /** Whose books have been put into this file. */
  contains?: readonly string[];
  /** Seconds that are missing from these. */
  lostSeconds?: number;
  /** Whether one of these was damaged. */
  wasDamaged?: boolean;
}

/** What a file comes to. */
export interface BookFile {
  readonly rows: ReadonlyMap<string, Totals>;
  readonly isFinished: boolean;
  readonly contains: readonly string[];
  readonly lostSeconds: number;
  /** Whether there is more in it than can be read, other than what a process that was killed has left at its end. */
  readonly isDamaged: boolean;
  /** When its process last said that it lives, in milliseconds since 1970. */
  readonly changedAt: number;
}

export function writtenRow(name: string, totals: Totals): WrittenRow {
  return [name, ...counters.map((counter) => String(totals[counter]))];
}

export function bookRecord(record: BookRecord): Buffer {
  return frameRecord(seed, [Buffer.from(JSON.stringify(record))]);
}

/** @throws Error of the system, such as ENOENT, EIO */
export async function readBookFile(path: string): Promise<BookFile> {
  const { mtimeMs } = await stat(path);
  const file = await AppendFile.openToRead(path);
  const rows = new Map<string, Totals>();
  let isFinished = false;
  let contains: readonly string[] = [];
  let lostSeconds = 0;
  let wasDamaged = false;
  /** Where the next record is expected. */
  let at = 0;
  try {
    for await (const { offset, payload } of scanRecords(
      (from, length) => file.read(from, length),
      seed,
      0,
      file.size,
    )) {
      if (offset > at) wasDamaged = true;
      at = offset + frameBytes + payload.length;
      const record = parseRecord(payload);
      for (const row of record.rows ?? []) if (typeof row[0] === 'string') rows.set(row[0], totalsOf(row));
      isFinished = record.finished ?? isFinished;
      contains = record.contains ?? contains;
      lostSeconds += record.lostSeconds ?? 0;
      wasDamaged ||= record.wasDamaged ?? false;
    }
    const isTorn = at > 0 && !isFinished;
    return {
      rows,
      isFinished,
      contains,
      lostSeconds,
      isDamaged: wasDamaged || (at < file.size && !isTorn),
      changedAt: mtimeMs,
    };
  } finally {
    await file.close();
  }
}

/** A checksum says that it is as it was written; not by whom. */
function parseRecord(payload: Buffer): BookRecord {
  try {
    const record: unknown = JSON.parse(payload.toString());
    return typeof record === 'object' && record !== null ? (record as BookRecord) : {};
  } catch {
    return {};
  }
}

function totalsOf([, ...values]: WrittenRow): Totals {
  return Object.fromEntries(counters.map((counter, i) => [counter, readCount(values[i])])) as Totals;
}
