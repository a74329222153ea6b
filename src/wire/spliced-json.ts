import { randomBytes } from 'node:crypto';
import { ownTurn } from '../core/turns.ts';

/** Nobody outside can know it, so no text that is repeated in an answer can look like a mark. */
const secret = `embedql-${randomBytes(16).toString('hex')}-`;
const indexDigits = 7;
const markLength = 1 + secret.length + indexDigits + 1;

/** Characters of an answer without vectors that nobody has to account for. */
const smallText = 16_384;

/** Numbers of vectors up to which they are written in one go: tens of milliseconds where none was written before. */
const fewNumbers = 524_288;
/** Numbers that are written, and bytes that are copied, before others get a turn. */
const numbersOfTurn = 131_072;
const bytesOfTurn = 8_388_608;

/** Bytes that are made when they are written. */
interface Piece {
  readonly numbers: number;
  make(): Buffer;
}

type Part = string | Buffer;

/**
 * Writes JSON in which some values are bytes of their own. While the answer is put together a mark stands in the place of
 * each; when it is written, `JSON.stringify` does everything else and the bytes are copied in.
 */
export class SplicedJson {
  readonly #pieces: Piece[] = [];
  #numbers = 0;

  /**
   * @param numbers how many are in the vector: what it costs to write it
   * @param make gives JSON of the value; called when it is written
   * @returns what stands for it until then
   */
  mark(numbers: number, make: () => Buffer): string {
    this.#numbers += numbers;
    this.#pieces.push({ numbers, make });
    return secret + String(this.#pieces.length - 1).padStart(indexDigits, '0');
  }

  /**
   * The value as JSON, with the bytes in their places. A mark may stand in several places, or in none. Many vectors are
   * written a few in each turn of the event loop.
   * @param allocate memory for so many bytes
   */
  write(value: unknown, allocate: (bytes: number) => Buffer): string | Buffer | Promise<Buffer> {
    const text = JSON.stringify(value);
    if (this.#pieces.length === 0) {
      // Small answers are what they are; of large ones somebody keeps account.
      return text.length < smallText ? text : join([text], allocate(Buffer.byteLength(text)));
    }
    if (this.#numbers > fewNumbers) return this.#writeInTurns(text, allocate);
    const made = this.#pieces.map(({ make }) => make());
    const { parts, bytes } = splice(text, made);
    return join(parts, allocate(bytes));
  }

  async #writeInTurns(text: string, allocate: (bytes: number) => Buffer): Promise<Buffer> {
    const made: Buffer[] = [];
    let numbers = numbersOfTurn;
    for (const piece of this.#pieces) {
      if (numbers >= numbersOfTurn) {
        await ownTurn();
        numbers = 0;
      }
      numbers += piece.numbers;
      made.push(piece.make());
    }
    await ownTurn();
    const { parts, bytes } = splice(text, made);
    const out = allocate(bytes);
    let at = 0;
    let copied = 0;
    for (const part of parts) {
      if (at - copied >= bytesOfTurn) {
        await ownTurn();
        copied = at;
      }
      at += put(part, out, at);
    }
    return out;
  }
}

/** Takes a text apart at its marks. */
function splice(text: string, made: readonly Buffer[]): { parts: Part[]; bytes: number } {
  const parts: Part[] = [];
  let bytes = 0;
  const add = (part: Part) => {
    parts.push(part);
    bytes += typeof part === 'string' ? Buffer.byteLength(part) : part.length;
  };
  let from = 0;
  for (;;) {
    const found = text.indexOf(secret, from);
    if (found === -1) break;
    const digits = found + secret.length;
    add(text.slice(from, found - 1));
    add(made[Number(text.slice(digits, digits + indexDigits))]!);
    from = found - 1 + markLength;
  }
  add(text.slice(from));
  return { parts, bytes };
}

function join(parts: readonly Part[], out: Buffer): Buffer {
  let at = 0;
  for (const part of parts) at += put(part, out, at);
  return out;
}

function put(part: Part, out: Buffer, at: number): number {
  return typeof part === 'string' ? out.write(part, at) : part.copy(out, at);
}
