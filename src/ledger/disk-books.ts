import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rename, unlink, utimes } from 'node:fs/promises';
import path from 'node:path';
import { type Log, silentLog } from '../core/surroundings.ts';
import { AppendFile } from '../files/append-file.ts';
import { lockFolder, sweepUnfinishedLocks } from '../files/folder-lock.ts';
import { type BookFile, bookRecord, readBookFile, writtenRow } from './book-file.ts';
import { type Book, type BookStore, silenceMs } from './book-store.ts';
import { dayMs, dayOf, keptDays } from './days.ts';
import { addTotals, nameRow, type Row, readRowName, type Totals } from './row.ts';

/** The folder below the configured one that the books lie in. */
export function ledgerFolder(dir: string): string {
  return path.join(dir, 'ledger');
}

/** `2026-11-25.4f1c….book`: what one process has booked on a day; `2026-11-25.all.book`: what all have, once it is long over. */
const fileName = /^(\d{4}-\d{2}-\d{2})\.([0-9a-f]{16}|all)\.book$/;
const all = 'all';

/** Bytes past which a file is written anew, where it has grown to so many times its rows. */
const rewriteBytes = 1_000_000;
const rewriteFactor = 8;

/** Rows of one record of a file that is put together. */
const rowsAtOnce = 1_000;

interface OpenFile {
  readonly file: AppendFile;
  /** Bytes of all rows as they were when it was begun. */
  readonly begunBytes: number;
}

/** The files of one day, by writer. */
type DayFiles = ReadonlyMap<string, BookFile | 'unreadable'>;

/**
 * Books on a disk: a file for each day and process, which no other writes to. So processes that share a folder never meet,
 * and what is damaged costs itself alone. Days that are over become one file each.
 */
export class DiskBooks implements BookStore {
  readonly isLossy = false;
  readonly #folder: string;
  readonly #log: Log;
  readonly #now: () => number;
  readonly #writer = randomBytes(8).toString('hex');
  readonly #open = new Map<string, OpenFile>();
  /** Damaged files that the log has been told of. */
  readonly #told = new Set<string>();
  #tidiedOn: string | undefined;
  #tidying: Promise<void> = Promise.resolve();

  /** @param folder the ledger's own */
  constructor(folder: string, log: Log = silentLog, now: () => number = Date.now) {
    this.#folder = folder;
    this.#log = log;
    this.#now = now;
  }

  async write(day: string, rows: readonly Row[], isAll: boolean): Promise<boolean> {
    const record =
      rows.length > 0
        ? bookRecord({ rows: rows.map((row) => writtenRow(row.name, row.totals())) })
        : Buffer.alloc(0);
    const open = this.#open.get(day);
    const isUsable = open && (await open.file.isInPlace()) && !isOvergrown(open);
    // A new file has to have everything.
    if (open && !isUsable && !isAll) return false;
    if (!isUsable) await this.#begin(day, record);
    else if (record.length > 0) {
      await open.file.append(record);
      await open.file.sync();
    }
    // That the process lives is said by the time of its file, which costs no byte.
    const now = this.#now() / 1_000;
    await utimes(this.#pathOf(day), now, now);
    this.#tidy();
    return true;
  }

  /** Begins a file, in place of the one that there is. */
  async #begin(day: string, record: Buffer): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    const file = await this.#replace(this.#pathOf(day), [record]);
    await this.#open.get(day)?.file.close();
    this.#open.set(day, { file, begunBytes: record.length });
  }

  /** Writes a whole file, and only then gives it its name. */
  async #replace(at: string, records: readonly Buffer[]): Promise<AppendFile> {
    const unfinished = `${at}.new`;
    await unlink(unfinished).catch(() => {});
    const file = await AppendFile.create(unfinished);
    try {
      for (const record of records) if (record.length > 0) await file.append(record);
      await file.sync();
      await file.moveTo(at);
      return file;
    } catch (error) {
      await file.close();
      await unlink(unfinished).catch(() => {});
      throw error;
    }
  }

  async finish(day: string): Promise<void> {
    const open = this.#open.get(day);
    if (!open) return;
    this.#open.delete(day);
    try {
      if (open.file.size === 0) await unlink(open.file.path);
      else {
        await open.file.append(bookRecord({ finished: true }));
        await open.file.sync();
      }
    } finally {
      await open.file.close();
    }
  }

  async *read(days: readonly string[]): AsyncGenerator<Book, void, void> {
    const files = await this.#list();
    for (const day of days) yield this.#bookOf(day, await this.#readDay(day, files.get(day) ?? []));
  }

  /** What there is, by day. */
  async #list(): Promise<Map<string, string[]>> {
    const names = await readdir(this.#folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return [];
      throw error;
    });
    const byDay = new Map<string, string[]>();
    for (const name of names) {
      const [, day, writer] = fileName.exec(name) ?? [];
      if (day === undefined || writer === undefined) continue;
      byDay.set(day, [...(byDay.get(day) ?? []), writer]);
    }
    return byDay;
  }

  async #readDay(day: string, writers: readonly string[]): Promise<DayFiles> {
    const files = new Map<string, BookFile | 'unreadable'>();
    for (const writer of writers) {
      try {
        files.set(writer, await readBookFile(this.#pathOf(day, writer)));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') files.set(writer, 'unreadable');
        // It has been put into the one of all, meanwhile.
        else if (!writers.includes(all)) {
          const now = (await this.#list()).get(day) ?? [];
          if (now.includes(all)) return this.#readDay(day, now);
        }
      }
    }
    return files;
  }

  /** What the files of a day come to together. */
  #bookOf(day: string, files: DayFiles): Book {
    const together = files.get(all);
    const contained = new Set(typeof together === 'object' ? together.contains : []);
    const rows = new Map<string, Totals>();
    let lostSeconds = 0;
    let isDamaged = false;
    for (const [writer, file] of files) {
      if (contained.has(writer)) continue;
      if (file === 'unreadable' || file.isDamaged) {
        isDamaged = true;
        this.#tell(path.basename(this.#pathOf(day, writer)));
      }
      if (file === 'unreadable') continue;
      for (const [name, totals] of file.rows) rows.set(name, addTotals(rows.get(name), totals));
      lostSeconds += file.lostSeconds;
      const isAlive = writer === this.#writer || file.changedAt > this.#now() - silenceMs;
      if (!file.isFinished && !isAlive) lostSeconds += 1;
    }
    return {
      rows: [...rows].flatMap(([id, totals]) => {
        const name = readRowName(id);
        return name ? [{ name, totals }] : [];
      }),
      lostSeconds,
      isDamaged,
    };
  }

  #tell(file: string): void {
    if (this.#told.has(file)) return;
    this.#told.add(file);
    this.#log.warn(
      { file },
      'a file of the ledger is damaged; what can be read of it counts, and spend says that it is lossy',
    );
  }

  /** Once a day: makes one file of each day that is long over, and removes those that are too old. */
  #tidy(): void {
    const today = dayOf(this.#now());
    if (this.#tidiedOn === today) return;
    this.#tidiedOn = today;
    this.#tidying = this.#tidying
      .then(() => this.#tidyDays())
      .catch((error: unknown) =>
        this.#log.warn(
          { err: error },
          'old files of the ledger stay as they are; tomorrow it is tried again',
        ),
      );
  }

  async #tidyDays(): Promise<void> {
    const lock = await lockFolder(this.#folder, async () => '');
    // Another process is at it.
    if (!lock) return;
    try {
      await sweepUnfinishedLocks(this.#folder);
      const oldest = dayOf(this.#now() - keptDays * dayMs);
      const yesterday = dayOf(this.#now() - dayMs);
      for (const [day, writers] of await this.#list()) {
        if (day < oldest) await Promise.all(writers.map((writer) => this.#remove(day, writer)));
        // What this process still writes to, because it could not be written until now, is not over.
        else if (day < yesterday && !this.#open.has(day) && writers.some((writer) => writer !== all))
          await this.#merge(day, writers);
      }
    } finally {
      await lock.release();
    }
  }

  #remove(day: string, writer: string): Promise<void> {
    return unlink(this.#pathOf(day, writer)).catch(() => {});
  }

  /** Makes one file of a day. It says whose it contains, so that none counts twice where the process ends in between. */
  async #merge(day: string, writers: readonly string[]): Promise<void> {
    const files = await this.#readDay(day, writers);
    const { rows, lostSeconds, isDamaged } = this.#bookOf(day, files);
    const before = files.get(all);
    const contains = new Set([...(typeof before === 'object' ? before.contains : []), ...writers]);
    contains.delete(all);
    const records = [
      bookRecord({ contains: [...contains], lostSeconds, wasDamaged: isDamaged, finished: true }),
    ];
    for (let start = 0; start < rows.length; start += rowsAtOnce) {
      const some = rows.slice(start, start + rowsAtOnce);
      records.push(bookRecord({ rows: some.map(({ name, totals }) => writtenRow(nameRow(name), totals)) }));
    }
    const file = await this.#replace(this.#pathOf(day, all), records);
    await file.close();
    for (const writer of contains) {
      const part = files.get(writer);
      const at = this.#pathOf(day, writer);
      // What is damaged stays, for somebody to look at.
      if (part === 'unreadable' || part?.isDamaged) await rename(at, `${at}.damaged`).catch(() => {});
      else await this.#remove(day, writer);
    }
  }

  #pathOf(day: string, writer = this.#writer): string {
    return path.join(this.#folder, `${day}.${writer}.book`);
  }

  async close(): Promise<void> {
    await this.#tidying;
    await Promise.all([...this.#open.values()].map(({ file }) => file.close()));
    this.#open.clear();
  }
}

/** Whether a file has grown far beyond what its rows need. */
function isOvergrown({ file, begunBytes }: OpenFile): boolean {
  return file.size > Math.max(rewriteBytes, rewriteFactor * begunBytes);
}
