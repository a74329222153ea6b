import { EmbedQLError } from '../core/errors.ts';
import { Turns } from '../core/turns.ts';
import type { Blobs } from './vault.ts';

/** Bytes that are gathered before they are written. */
const pieceBytes = 1_048_576;

/** Writes a blob from its beginning, in large pieces. */
export class BlobWriter {
  readonly #blobs: Blobs;
  readonly #name: string;
  #parts: Buffer[] = [];
  #waiting = 0;
  #written = 0;

  constructor(blobs: Blobs, name: string) {
    this.#blobs = blobs;
    this.#name = name;
  }

  /** Bytes so far, whether or not they have been written. */
  get bytes(): number {
    return this.#written + this.#waiting;
  }

  async add(bytes: Buffer): Promise<void> {
    this.#parts.push(bytes);
    this.#waiting += bytes.length;
    if (this.#waiting >= pieceBytes) await this.end();
  }

  /** Resolves once everything is written. */
  async end(): Promise<void> {
    if (this.#waiting === 0) return;
    const bytes = Buffer.concat(this.#parts);
    this.#parts = [];
    this.#waiting = 0;
    await this.#blobs.write(this.#name, this.#written, bytes);
    this.#written += bytes.length;
  }
}

/** What has been taken in. */
export interface TakenIn {
  readonly total: number;
  /** As `total`, but with the pieces of long texts that are read in pieces. */
  readonly pieces: number;
  readonly bytes: number;
}

/** Texts that are handed on together, and characters of them; one text may have more. */
const together = 500;
const charactersTogether = 1_048_576;

/**
 * Writes the texts of a job, one a line.
 * @param look gets them, some at a time, and how many pieces there may be yet beside one of each text; it gives back how many
 * there are. @throws EmbedQLError COST_LIMIT_EXCEEDED as soon as there are too many
 */
export async function takeIn(
  source: AsyncIterable<string> | Iterable<string>,
  maxTexts: number,
  writer: BlobWriter,
  look?: (texts: readonly string[], left: number) => Promise<number>,
): Promise<TakenIn> {
  let total = 0;
  let more = 0;
  let some: string[] = [];
  let characters = 0;
  const turns = new Turns();
  const flush = async () => {
    await writer.add(Buffer.from(some.map((text) => `${JSON.stringify(text)}\n`).join('')));
    if (look) more += await look(some, maxTexts - total - more);
    some = [];
    characters = 0;
    // A line of a file may have brought thousands of them at once.
    const others = turns.next();
    if (others) await others;
  };
  for await (const text of source) {
    total += 1;
    if (total + more > maxTexts) throw tooManyJobTexts(maxTexts);
    // UTF-8 has no halves of characters.
    some.push(text.toWellFormed());
    characters += text.length;
    if (some.length === together || characters >= charactersTogether) await flush();
  }
  if (some.length > 0) await flush();
  await writer.end();
  return { total, pieces: total + more, bytes: writer.bytes };
}

export function tooManyJobTexts(allowed: number): EmbedQLError {
  return new EmbedQLError(
    'COST_LIMIT_EXCEEDED',
    `The job has more than ${allowed} texts, pieces of long ones counted; split it, or raise maxJobTexts.`,
    { hint: 'maxJobTexts' },
  );
}
