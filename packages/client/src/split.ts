import { EmbedError } from './errors.ts';

/** What the server says that one request may ask for. */
export interface Limits {
  readonly maxTexts: number;
  readonly maxTokens: number;
  readonly maxBodyBytes: number;
}

/** What every server takes, and what a proxy with its defaults lets through (1 MB). */
const safeTexts = 256;
const safeBytes = 1_000_000;

/** Bytes of a body beside its texts. */
const overheadBytes = 2_048;

/** How large a request is made. Begins with what is safe, and remembers what the server has refused. */
export class RequestSize {
  readonly #mostTexts: number;
  #texts = safeTexts;
  #bytes = safeBytes;
  #allowed = { texts: safeTexts, bytes: safeBytes };
  #known = false;
  #mostBytes = Number.POSITIVE_INFINITY;

  /** @param mostTexts that are ever sent at once, whatever the server takes */
  constructor(mostTexts = safeTexts) {
    this.#mostTexts = mostTexts;
  }

  get texts(): number {
    return this.#texts;
  }

  /** Bytes that texts may take in a body. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether the server has said what it takes. */
  get known(): boolean {
    return this.#known;
  }

  learn({ maxTexts, maxTokens, maxBodyBytes }: Limits): void {
    if (this.#known) return;
    this.#known = true;
    this.#mostBytes = maxBodyBytes;
    // A token has about four bytes; three leave room, and what is refused all the same is halved.
    const bytes = Math.min(safeBytes, maxBodyBytes - overheadBytes, 3 * maxTokens);
    this.#allowed = { texts: Math.min(this.#mostTexts, maxTexts), bytes: Math.max(1, bytes) };
    this.restore();
  }

  /** Whether a request of this size may be sent, as far as is known. */
  takes(count: number, bytes: number): boolean {
    return count <= 1 || (count <= this.#texts && bytes <= this.#bytes);
  }

  /** Whether the server is known to refuse even one text of so many bytes. */
  isBeyond(bytes: number): boolean {
    return bytes > this.#mostBytes;
  }

  /** A request of this size was refused: the next ones have half of it at most. */
  halve(count: number, bytes: number): void {
    this.#texts = Math.min(this.#texts, Math.ceil(count / 2));
    this.#bytes = Math.min(this.#bytes, Math.ceil(bytes / 2));
  }

  /** The size was not why something was refused: back to what the server says, or to what is safe. */
  restore(): void {
    this.#texts = this.#allowed.texts;
    this.#bytes = this.#allowed.bytes;
  }
}

/** The texts of a call that have not been sent, by their places. */
export class TextQueue {
  readonly #texts: readonly string[];
  #waiting: number[];
  #next = 0;

  constructor(texts: readonly string[], places: readonly number[]) {
    this.#texts = texts;
    this.#waiting = [...places];
  }

  /** Whether all that wait fit into one request. */
  fits(size: RequestSize): boolean {
    const count = this.#waiting.length - this.#next;
    return count <= size.texts && this.bytesOf(this.#waiting.slice(this.#next)) <= size.bytes;
  }

  /** The places of the texts of the next request: at least one, undefined where none is left. */
  take(size: RequestSize): number[] | undefined {
    const from = this.#next;
    let bytes = 0;
    while (this.#next < this.#waiting.length) {
      bytes += this.#bytesAt(this.#waiting[this.#next] as number);
      if (!size.takes(this.#next - from + 1, bytes)) break;
      this.#next++;
    }
    return this.#next === from ? undefined : this.#waiting.slice(from, this.#next);
  }

  /** Puts places back, to be taken next. */
  putBack(places: readonly number[]): void {
    this.#waiting = [...places, ...this.#waiting.slice(this.#next)];
    this.#next = 0;
  }

  /** Bytes that these texts take in a body. */
  bytesOf(places: readonly number[]): number {
    return places.reduce((sum, place) => sum + this.#bytesAt(place), 0);
  }

  #bytesAt(place: number): number {
    return jsonBytes(this.#texts[place] as string) + 1;
  }
}

/** Bytes of a text as a JSON string in UTF-8, without making it. */
export function jsonBytes(text: string): number {
  let bytes = 2;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x20) bytes += unit >= 0x08 && unit <= 0x0d && unit !== 0x0b ? 2 : 6;
    else if (unit === 0x22 || unit === 0x5c) bytes += 2;
    else if (unit < 0x80) bytes += 1;
    else if (unit < 0x800) bytes += 2;
    else if (unit < 0xd800 || unit > 0xdfff) bytes += 3;
    else if (unit < 0xdc00 && isLowSurrogate(text.charCodeAt(i + 1))) {
      bytes += 4;
      i++;
    } else bytes += 6;
  }
  return bytes;
}

function isLowSurrogate(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff;
}

/** Which texts are worth sending: an empty one is refused by every server. @throws TypeError for what is no text */
export function placesToSend(texts: readonly string[]): { full: number[]; empty: number[] } {
  const full: number[] = [];
  const empty: number[] = [];
  for (const [place, text] of texts.entries()) {
    if (typeof text !== 'string') throw new TypeError(`texts[${place}] must be a string, not ${typeof text}`);
    (text.trim() === '' ? empty : full).push(place);
  }
  return { full, empty };
}

export function emptyText(): EmbedError {
  return new EmbedError('BAD_USER_INPUT', 'The text is empty; pass a text to embed.');
}
