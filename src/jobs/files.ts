import { randomBytes } from 'node:crypto';
import type { Clock } from '../core/clock.ts';
import { badUserInput, EmbedQLError } from '../core/errors.ts';
import { BlobWriter } from './intake.ts';
import { type Asker, type FileRecord, sees } from './job.ts';
import { contentOf } from './job-run.ts';
import { jsonLines, type LineLimits, readLine } from './lines.ts';
import type { StoreErrors } from './store-errors.ts';
import type { Vault } from './vault.ts';

export interface FilesOptions {
  /** Bytes of one file. */
  maxFileBytes: number;
  /** What one line may be. */
  lines: LineLimits;
  /** Milliseconds that a file is kept. */
  keepMs: number;
  clock: Clock;
  errors: StoreErrors;
}

/** A file is larger than it may be. */
export class FileTooLargeError extends EmbedQLError {
  constructor(allowed: number) {
    super('BAD_USER_INPUT', `The file has more than ${allowed} bytes; split it, or raise maxFileMb.`, {
      hint: 'maxFileMb',
    });
  }
}

/** Files of one key at the same time. */
const mostFiles = 10_000;

/** Turns lists of tokens into the texts that they stand for. @param line its number, for the message */
export type DecodeTokens = (lists: ReadonlyArray<readonly number[]>, line: number) => Promise<string[]>;

/** Files that clients send: lines of texts, for jobs. */
export class Files {
  readonly #vault: Vault;
  readonly #options: FilesOptions;

  constructor(vault: Vault, options: FilesOptions) {
    this.#vault = vault;
    this.#options = options;
  }

  /**
   * Keeps a file, as it comes.
   * @param content is read to its end, or up to where there is too much. @throws FileTooLargeError, EmbedQLError OVERLOADED
   */
  async add(
    { name, purpose, key }: { name: string; purpose: () => Promise<string>; key: string },
    content: AsyncIterable<Buffer>,
  ): Promise<FileRecord> {
    const { records, texts, home } = this.#vault;
    const { maxFileBytes, clock, keepMs, errors } = this.#options;
    const kept = await errors.tell(() => records.list('files', key, mostFiles));
    if (kept.length >= mostFiles)
      throw new EmbedQLError('OVERLOADED', `The key has ${mostFiles} files already; delete some of them.`, {
        retryable: false,
      });
    const id = `file-${randomBytes(12).toString('hex')}`;
    const writer = new BlobWriter(texts, contentOf(id));
    try {
      for await (const bytes of content) {
        if (writer.bytes + bytes.length > maxFileBytes) throw new FileTooLargeError(maxFileBytes);
        await errors.tell(() => writer.add(bytes));
      }
      await errors.tell(() => writer.end());
      const createdAt = clock.date();
      const record: FileRecord = {
        id,
        key,
        name: name.slice(0, 200),
        purpose: (await purpose()).slice(0, 64),
        bytes: writer.bytes,
        createdAt,
        endsAt: createdAt + keepMs,
        ...(home === undefined ? {} : { home }),
      };
      await errors.tell(() => records.add('files', record));
      return record;
    } catch (error) {
      await texts.remove(contentOf(id)).catch(() => {});
      throw error;
    }
  }

  /** A file that belongs to whoever asks; undefined where there is none of that id. */
  async get(id: string, asker: Asker): Promise<FileRecord | undefined> {
    const file = await this.#options.errors.tell(() => this.#vault.records.get('files', id));
    if (!file || (file.endsAt ?? 0) <= this.#options.clock.date()) return undefined;
    return sees(asker, file) ? file : undefined;
  }

  async list(most: number, { key, seesAll }: Asker): Promise<FileRecord[]> {
    const { clock, errors } = this.#options;
    const files = await errors.tell(() => this.#vault.records.list('files', seesAll ? undefined : key, most));
    return files.filter(({ endsAt = 0 }) => endsAt > clock.date());
  }

  /** @throws EmbedQLError where it is on another replica */
  content({ id, bytes, home }: FileRecord): AsyncGenerator<Buffer, void, void> {
    if (home !== this.#vault.home)
      throw new EmbedQLError(
        'OVERLOADED',
        'The file is on another replica of this server; send it again, or set jobSecret so that all replicas can read it.',
        { hint: 'jobSecret', retryable: true, retryAfterMs: 1_000 },
      );
    return this.#options.errors.tellStream(this.#vault.texts.read(contentOf(id), 0, bytes));
  }

  async remove({ id }: FileRecord): Promise<void> {
    await this.#options.errors.tell(async () => {
      await this.#vault.records.remove('files', id);
      await this.#vault.texts.remove(contentOf(id));
    });
  }

  /**
   * The texts of a file, one after another, however its lines are made.
   * @param model that lines may name, and no other; undefined: whatever they name does not matter
   * @throws EmbedQLError BAD_USER_INPUT with the line
   */
  async *texts(
    file: FileRecord,
    decode: DecodeTokens,
    model: string | undefined,
  ): AsyncGenerator<string, void, void> {
    for await (const line of jsonLines(this.content(file), this.#options.lines)) {
      const { inputs, model: named = model } = readLine(line);
      if (named !== model && model !== undefined)
        throw badUserInput(`Line ${line.number} names another model than the first; a job has one model.`);
      if (isTexts(inputs)) yield* inputs;
      else yield* await decode(inputs, line.number);
    }
  }

  /** The model that the first line of a file names; undefined where it names none. */
  async modelOf(file: FileRecord): Promise<string | undefined> {
    for await (const line of jsonLines(this.content(file), this.#options.lines)) return readLine(line).model;
    throw badUserInput('The file has no lines; send one with a text on each line.');
  }

  async sweep(): Promise<void> {
    const now = this.#options.clock.date();
    for (const file of await this.#vault.records.list('files', undefined, Number.MAX_SAFE_INTEGER))
      if ((file.endsAt ?? 0) <= now) await this.remove(file);
  }
}

function isTexts(inputs: ReadonlyArray<string | readonly number[]>): inputs is readonly string[] {
  return typeof inputs[0] === 'string';
}
