import { mkdir, open, readdir, readFile, rename, unlink } from 'node:fs/promises';
import path from 'node:path';
import type { Log } from '../core/surroundings.ts';
import { frameRecord, scanRecords } from '../files/records.ts';
import { isOver, type JobRecord } from './job.ts';
import type { JobHolder, Kinds, Records } from './vault.ts';

/** What begins the checksum of every record. */
const seed = 0x6a6f6273;

/**
 * Records as files of a folder, each replaced as a whole, and all of them in memory. This process has the folder for itself.
 */
export class DiskRecords implements Records {
  readonly #folder: string;
  readonly #kept: { [Kind in keyof Kinds]: Map<string, Kinds[Kind]> } = { jobs: new Map(), files: new Map() };
  readonly #cancelled = new Set<string>();
  /** Which job has a text in a batch, by cache key. */
  readonly #claims = new Map<string, string>();
  /** Writing of each record, one after the other. */
  readonly #writing = new Map<string, Promise<void>>();

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** Reads what there is; what is damaged is set aside. @throws Error of the system */
  static async open(folder: string, log: Log): Promise<DiskRecords> {
    const records = new DiskRecords(folder);
    for (const kind of ['jobs', 'files'] as const) {
      const inside = path.join(folder, kind);
      await mkdir(inside, { recursive: true, mode: 0o700 });
      for (const file of await readdir(inside)) {
        if (!file.endsWith('.record')) continue;
        const record = await readRecord(path.join(inside, file));
        if (record) records.#kept[kind].set(record.id, record as never);
        else {
          await rename(path.join(inside, file), path.join(inside, `${file}.damaged`)).catch(() => {});
          log.warn({ file }, 'A record of a job or file is damaged; it is set aside');
        }
      }
    }
    await records.#loadClaims();
    for (const { id, cancelledAt } of records.#kept.jobs.values())
      if (cancelledAt) records.#cancelled.add(id);
    return records;
  }

  /** Whether a blob of this name belongs to a record. */
  knows(name: string): boolean {
    const [id = ''] = name.split('.');
    return this.#kept.jobs.has(id) || this.#kept.files.has(id);
  }

  async add<Kind extends keyof Kinds>(kind: Kind, record: Kinds[Kind]): Promise<void> {
    const known = this.#kept[kind].get(record.id);
    this.#kept[kind].set(record.id, record);
    try {
      await this.#write(kind, record);
    } catch (error) {
      if (this.#kept[kind].get(record.id) === record) {
        if (known) this.#kept[kind].set(record.id, known);
        else this.#kept[kind].delete(record.id);
      }
      throw error;
    }
  }

  async get<Kind extends keyof Kinds>(kind: Kind, id: string): Promise<Kinds[Kind] | undefined> {
    return this.#kept[kind].get(id);
  }

  async list<Kind extends keyof Kinds>(
    kind: Kind,
    key: string | undefined,
    most: number,
  ): Promise<Array<Kinds[Kind]>> {
    return [...this.#kept[kind].values()]
      .filter((record) => key === undefined || record.key === key)
      .sort((a, b) => b.createdAt - a.createdAt)
      .slice(0, most);
  }

  async remove(kind: keyof Kinds, id: string): Promise<void> {
    if (!this.#kept[kind].has(id)) return;
    await this.#after(id, () =>
      unlink(this.#path(kind, id)).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') throw error;
      }),
    );
    this.#kept[kind].delete(id);
    this.#cancelled.delete(id);
  }

  async takeUp(id: string): Promise<JobRecord | undefined> {
    const job = this.#kept.jobs.get(id);
    if (!job) return undefined;
    const taken = { ...job, epoch: job.epoch + 1 };
    await this.add('jobs', taken);
    return taken;
  }

  async save(job: JobRecord): Promise<boolean> {
    const known = this.#kept.jobs.get(job.id);
    if (!known || known.epoch !== job.epoch) return false;
    // Whoever runs it may not know yet that it was cancelled.
    const { cancelledAt = known.cancelledAt } = job;
    const saved = cancelledAt === undefined ? job : { ...job, cancelledAt };
    // One that comes while this is written is written after it.
    this.#kept.jobs.set(job.id, saved);
    await this.#write('jobs', saved);
    return true;
  }

  async isHeld({ id, epoch }: JobHolder): Promise<boolean> {
    return this.#kept.jobs.get(id)?.epoch === epoch;
  }

  async cancel(id: string): Promise<boolean> {
    const job = this.#kept.jobs.get(id);
    if (!job) return false;
    this.#cancelled.add(id);
    await this.add('jobs', { ...job, cancelledAt: job.cancelledAt ?? Date.now() });
    return true;
  }

  async isCancelled(id: string): Promise<boolean> {
    return this.#cancelled.has(id);
  }

  async claim(keys: readonly string[], id: string): Promise<boolean[]> {
    const fresh = keys.filter((key) => !this.#claims.has(key));
    for (const key of fresh) this.#claims.set(key, id);
    if (fresh.length > 0)
      // Another job that is gone on with after a restart must find them.
      await this.#after(`${id} claims`, () => appendLines(this.#claimsPath(id), fresh));
    return keys.map((key) => this.#claims.get(key) === id);
  }

  async release(id: string): Promise<void> {
    await this.#after(`${id} claims`, () =>
      unlink(this.#claimsPath(id)).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') throw error;
      }),
    );
    for (const [key, holder] of this.#claims) if (holder === id) this.#claims.delete(key);
  }

  #claimsPath(id: string): string {
    return this.#path('jobs', id).replace(/record$/, 'claims');
  }

  /** What jobs that are not over have claimed before. */
  async #loadClaims(): Promise<void> {
    for (const job of this.#kept.jobs.values()) {
      if (isOver(job)) continue;
      const lines = await readFile(this.#claimsPath(job.id), 'utf8').catch(() => '');
      for (const key of lines.split('\n')) if (key !== '') this.#claims.set(key, job.id);
    }
  }

  #path(kind: keyof Kinds, id: string): string {
    if (!/^[\w-]{1,100}$/.test(id)) throw new Error('not an id');
    return path.join(this.#folder, kind, `${id}.record`);
  }

  #write<Kind extends keyof Kinds>(kind: Kind, record: Kinds[Kind]): Promise<void> {
    const bytes = frameRecord(seed, [Buffer.from(JSON.stringify(record))]);
    return this.#after(record.id, () => replaceFile(this.#path(kind, record.id), bytes));
  }

  #after(id: string, work: () => Promise<void>): Promise<void> {
    const before = this.#writing.get(id) ?? Promise.resolve();
    const now = before.catch(() => {}).then(work);
    this.#writing.set(id, now);
    const forget = () => {
      if (this.#writing.get(id) === now) this.#writing.delete(id);
    };
    now.then(forget, forget);
    return now;
  }
}

/** Afterwards the file has the new content or, where the machine has stopped meanwhile, the old one; never a part. */
async function replaceFile(file: string, bytes: Buffer): Promise<void> {
  const fresh = await open(`${file}.new`, 'w', 0o600);
  try {
    await fresh.writeFile(bytes);
    await fresh.datasync();
  } finally {
    await fresh.close();
  }
  await rename(`${file}.new`, file);
}

async function appendLines(file: string, lines: readonly string[]): Promise<void> {
  const handle = await open(file, 'a', 0o600);
  try {
    await handle.appendFile(`${lines.join('\n')}\n`);
    await handle.datasync();
  } finally {
    await handle.close();
  }
}

async function readRecord(file: string): Promise<{ id: string } | undefined> {
  const bytes = await readFile(file);
  const read = async (at: number, length: number) => bytes.subarray(at, at + length);
  for await (const { payload } of scanRecords(read, seed, 0, bytes.length)) {
    const record: unknown = JSON.parse(payload.toString());
    if (typeof record === 'object' && record !== null && 'id' in record) return record as { id: string };
  }
  return undefined;
}
