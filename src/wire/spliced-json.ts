import { randomBytes } from 'node:crypto';

/** Nobody outside can know it, so no text that is repeated in an answer can look like a mark. */
const secret = `embedql-${randomBytes(16).toString('hex')}-`;
const indexDigits = 7;
const markLength = 1 + secret.length + indexDigits + 1;

/** Characters of an answer without vectors that nobody has to account for. */
const smallText = 16_384;

/**
 * Writes JSON in which some values are bytes that were encoded before. While the answer is put together a mark stands in
 * the place of each; when it is written, `JSON.stringify` does everything else and the bytes are copied in.
 */
export class SplicedJson {
  readonly #pieces: Buffer[] = [];

  /** @param bytes JSON of a value. @returns what stands for it until it is written */
  mark(bytes: Buffer): string {
    this.#pieces.push(bytes);
    return secret + String(this.#pieces.length - 1).padStart(indexDigits, '0');
  }

  /**
   * The value as JSON, with the bytes in their places. A mark may stand in several places, or in none.
   * @param allocate memory for so many bytes
   */
  write(value: unknown, allocate: (bytes: number) => Buffer): string | Buffer {
    const text = JSON.stringify(value);
    if (this.#pieces.length === 0) {
      // Small answers are what they are; of large ones somebody keeps account.
      return text.length < smallText ? text : join([text], allocate(Buffer.byteLength(text)));
    }
    const parts: Array<string | Buffer> = [];
    let length = 0;
    const add = (part: string | Buffer) => {
      parts.push(part);
      length += typeof part === 'string' ? Buffer.byteLength(part) : part.length;
    };
    let from = 0;
    for (;;) {
      const found = text.indexOf(secret, from);
      if (found === -1) break;
      const digits = found + secret.length;
      add(text.slice(from, found - 1));
      add(this.#pieces[Number(text.slice(digits, digits + indexDigits))]!);
      from = found - 1 + markLength;
    }
    add(text.slice(from));
    return join(parts, allocate(length));
  }
}

function join(parts: ReadonlyArray<string | Buffer>, out: Buffer): Buffer {
  let at = 0;
  for (const part of parts) at += typeof part === 'string' ? out.write(part, at) : part.copy(out, at);
  return out;
}
