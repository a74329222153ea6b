import { ends, hashBefore, type Level, rankOf } from './boundaries.ts';
import { badUserInput } from './errors.ts';
import { Turns } from './turns.ts';
import { isEmptyText } from './wish.ts';

/** A part of a text that is read by itself. */
export interface Piece {
  /** UTF-16 positions in the text; `end` is the first that is not in it. */
  readonly start: number;
  readonly end: number;
  /** As the model counts them: with its special tokens, and with the prefix. */
  readonly tokens: number;
}

export interface SplitOptions {
  /** Tokens of a piece at the most, special ones and the prefix included. */
  readonly maxTokens: number;
  /** Tokens at the end of a piece that the next one begins with again, at the most. */
  readonly overlapTokens: number;
  /** What the model puts before every text. */
  readonly prefix: string;
  /**
   * Tokens of each text, special ones included.
   * @param atMost counting a text may stop there, and then gives it or more
   */
  count(texts: readonly string[], atMost?: number): Promise<number[]>;
  /** Pieces after which nothing more is read. Default: no limit. */
  readonly mostPieces?: number | undefined;
  /** Throws once nobody waits any more. */
  check?(): void;
}

/**
 * UTF-16 units of a piece at the most, for each of its tokens: far more than those of any language have. It bounds what one
 * token can hide (white space, and words that a tokenizer does not know), and so how few pieces a text can have.
 */
const unitsPerToken = 16;

/** A part of a text that is not cut any further, as things stand. */
interface Unit {
  readonly start: number;
  readonly end: number;
  /** Without special ones. */
  readonly tokens: number;
  readonly level: Level;
}

/** UTF-16 units that are read, and counted, in one go. */
const readAhead = 65_536;

/**
 * Cuts a text into pieces that the model can read: at the end of a paragraph, sentence or line, in a sentence that is longer
 * than a piece at words, in such a word at graphemes, in such a grapheme at code points. Without their overlaps the pieces,
 * one after the other, are the text, but for white space that would be a piece by itself: there is nothing in it to embed.
 * (Of a text that is nothing else, all of it is kept.)
 *
 * Which of the places in the second half of a piece is taken depends on the words before it alone, so that after an edit the
 * pieces are soon the same as before. Time and memory are linear in what is read, and others get their turns.
 *
 * @returns the pieces; one more than `mostPieces`, and no further ones, where there would be more
 * @throws EmbedQLError BAD_USER_INPUT where a piece has no room for a character
 */
export async function splitText(text: string, options: SplitOptions): Promise<Piece[]> {
  const { maxTokens, prefix, count } = options;
  if (text.length <= mostUnits(maxTokens)) {
    const [tokens] = await count([prefix + text], maxTokens + 1);
    if (tokens! <= maxTokens) return [{ start: 0, end: text.length, tokens: tokens! }];
  }
  return new Splitter(text, options, await readRoom(options)).split();
}

/** The fewest pieces that a text can have, by its length alone, those of white space counted. */
export function fewestPieces(units: number, maxTokens: number): number {
  return Math.max(1, Math.ceil(units / mostUnits(maxTokens)));
}

/**
 * The most pieces that a text may come to. A token has at least one of its bytes, and of two pieces one is half full; what a
 * tokenizer makes more of is refused.
 */
export function mostPieces(
  text: string,
  { maxTokens, overlapTokens, prefix }: Pick<SplitOptions, 'maxTokens' | 'overlapTokens' | 'prefix'>,
): number {
  const bytes = Buffer.byteLength(text);
  const room = maxTokens - overlapTokens - addedTokens - Buffer.byteLength(prefix);
  return Math.min(bytes, Math.ceil((4 * bytes) / Math.max(1, room)) + 1);
}

/** Tokens that a model may add to a text. */
export const addedTokens = 8;

/** UTF-16 units that so many tokens of a piece may have. */
export function mostUnits(tokens: number): number {
  return tokens * unitsPerToken;
}

/** What is left of a piece for the text itself. */
interface Room {
  /** Tokens of new text, without the overlap. */
  readonly tokens: number;
  /** Special tokens of a text. */
  readonly special: number;
}

async function readRoom({ maxTokens, overlapTokens, prefix, count }: SplitOptions): Promise<Room> {
  const counts = await count(prefix === '' ? [''] : ['', prefix]);
  const special = counts[0]!;
  const taken = counts.at(-1)!;
  if (maxTokens <= taken)
    throw badUserInput(
      `maxTokens must be ${taken + 1} or more: ${taken} of them are what the model adds to every text.`,
    );
  if (overlapTokens >= maxTokens - taken)
    throw badUserInput(
      `overlapTokens must be less than ${maxTokens - taken}, what maxTokens leaves beside the tokens that the model adds to every text.`,
    );
  return { tokens: maxTokens - taken - overlapTokens, special };
}

class Splitter {
  readonly #text: string;
  readonly #options: SplitOptions;
  readonly #room: Room;
  /** UTF-16 units of new text in a piece, at the most. */
  readonly #mostUnits: number;
  /** Whether the whole text is white space. */
  readonly #isBlank: boolean;
  readonly #turns = new Turns();
  readonly #pieces: Piece[] = [];
  /** What the next piece begins with, and its tokens. */
  #held: Unit[] = [];
  #heldTokens = 0;
  /** The units of the piece before, for the overlap. */
  #before: readonly Unit[] = [];

  constructor(text: string, options: SplitOptions, room: Room) {
    this.#text = text;
    this.#options = options;
    this.#room = room;
    this.#mostUnits = mostUnits(room.tokens);
    this.#isBlank = isEmptyText(text);
  }

  async split(): Promise<Piece[]> {
    const { mostPieces: most = Number.POSITIVE_INFINITY } = this.#options;
    const places = this.#places(0, this.#text.length, 0);
    let units = await this.#read(places, 0, 0);
    while (units && this.#pieces.length <= most) {
      await this.#finish(this.#pack(units));
      units = await this.#read(places, units.at(-1)!.end, 0);
    }
    if (this.#pieces.length <= most) await this.#finish([this.#held]);
    return this.#pieces.slice(0, most + 1);
  }

  #places(from: number, to: number, level: Level): Generator<number, void, void> {
    return ends(this.#text, from, to, level, this.#mostUnits);
  }

  /** The next units, each of which fits into a piece; undefined where there are no more. */
  async #read(places: Iterator<number, void>, from: number, level: Level): Promise<Unit[] | undefined> {
    this.#options.check?.();
    const found: number[] = [];
    for (let next = places.next(); !next.done; next = places.next()) {
      found.push(next.value);
      const others = this.#turns.next();
      if (others) await others;
      if (next.value - from >= readAhead) break;
    }
    if (found.length === 0) return undefined;
    const units: Unit[] = [];
    for (const unit of await this.#measure(from, found, level)) {
      if (unit.tokens <= this.#room.tokens && unit.end - unit.start <= this.#mostUnits) units.push(unit);
      else for (const part of await this.#takeApart(unit)) units.push(part);
    }
    return units;
  }

  async #measure(from: number, places: readonly number[], level: Level): Promise<Unit[]> {
    const texts = places.map((end, i) => this.#inContext(places[i - 1] ?? from, end));
    const counts = await this.#options.count(texts);
    return places.map((end, i) => ({
      start: places[i - 1] ?? from,
      end,
      tokens: Math.max(0, counts[i]! - this.#room.special),
      level,
    }));
  }

  /** A part as it is counted: a blank belongs to the token behind it, which is in the next part. */
  #inContext(start: number, end: number): string {
    const part = this.#text.slice(start, end);
    const body = part.trimEnd();
    return body.length === part.length ? part : part.slice(body.length) + body;
  }

  /** The parts of a unit that is too large. */
  async #takeApart({ start, end, level, tokens }: Unit): Promise<Unit[]> {
    if (level === 4)
      throw badUserInput(
        `maxTokens is too small: the text has a character of ${tokens} tokens, and ${this.#room.tokens} are left for it.`,
      );
    const finer = (level + 1) as Level;
    const places = this.#places(start, end, finer);
    const parts: Unit[] = [];
    for (let at = start; at < end; ) {
      const read = await this.#read(places, at, finer);
      if (!read) break;
      for (const part of read) parts.push(part);
      at = parts.at(-1)!.end;
    }
    return parts;
  }

  /** Fills pieces with units. @returns those that are full; the rest is held */
  #pack(units: readonly Unit[]): Unit[][] {
    const full: Unit[][] = [];
    for (const unit of units) {
      while (this.#held.length > 0 && !this.#fits(unit)) {
        const cut = this.#bestCut(this.#held);
        full.push(this.#held.slice(0, cut));
        this.#held = this.#held.slice(cut);
        this.#heldTokens = tokensOf(this.#held);
      }
      this.#held.push(unit);
      this.#heldTokens += unit.tokens;
    }
    return full;
  }

  #fits({ tokens, end }: Unit): boolean {
    return this.#heldTokens + tokens <= this.#room.tokens && end - this.#held[0]!.start <= this.#mostUnits;
  }

  /** How many units a piece takes: of the best places in its second half the one with the least hash, else all. */
  #bestCut(units: readonly Unit[]): number {
    const { start } = units[0]!;
    let tokens = 0;
    let best = { count: units.length, rank: -1, hash: 0 };
    for (const [i, unit] of units.entries()) {
      tokens += unit.tokens;
      if (2 * tokens < this.#room.tokens && 2 * (unit.end - start) < this.#mostUnits) continue;
      const rank = rankOf(this.#text, unit.start, unit.end, unit.level);
      if (rank < best.rank) continue;
      const hash = hashBefore(this.#text, unit.end);
      if (rank > best.rank || hash <= best.hash) best = { count: i + 1, rank, hash };
    }
    return best.count;
  }

  /** Makes pieces of units that were put together, and counts them: a whole may have more tokens than its parts. */
  async #finish(all: ReadonlyArray<readonly Unit[]>): Promise<void> {
    const groups = all.filter((group) => this.#says(group));
    if (groups.length === 0) return;
    const starts = await this.#startsWithOverlap(groups);
    const counts = await this.#count(groups.map((group, i) => [starts[i]!, group.at(-1)!.end]));
    for (const [i, group] of groups.entries()) {
      const piece = { start: starts[i]!, end: group.at(-1)!.end, tokens: counts[i]! };
      // Where the one before was divided, an overlap may reach back behind its last part.
      const before = this.#pieces.at(-1)?.start ?? 0;
      if (piece.tokens <= this.#options.maxTokens && piece.start >= before) this.#pieces.push(piece);
      else await this.#divide(group, piece.start < group[0]!.start);
    }
    this.#before = groups.at(-1)!;
  }

  /** Whether units are worth a piece. */
  #says(units: readonly Unit[]): boolean {
    return this.#isBlank || !isEmptyText(this.#text.slice(units[0]!.start, units.at(-1)!.end));
  }

  #count(ranges: ReadonlyArray<readonly [start: number, end: number]>): Promise<number[]> {
    const { count, prefix, maxTokens } = this.#options;
    return count(
      ranges.map(([start, end]) => prefix + this.#text.slice(start, end)),
      maxTokens + 1,
    );
  }

  /** Units that together have more tokens than each by itself: without the overlap, else in two, else in smaller parts. */
  async #divide(group: readonly Unit[], hadOverlap: boolean): Promise<void> {
    const [first] = group;
    const { end } = group.at(-1)!;
    if (hadOverlap) {
      const [tokens] = await this.#count([[first!.start, end]]);
      if (tokens! <= this.#options.maxTokens) {
        this.#pieces.push({ start: first!.start, end, tokens: tokens! });
        return;
      }
    }
    let units = group;
    while (units.length === 1) units = await this.#takeApart(units[0]!);
    const half = tokensOf(units) / 2;
    let tokens = 0;
    let middle = units.findIndex((unit) => {
      tokens += unit.tokens;
      return tokens > half;
    });
    middle = Math.max(1, Math.min(units.length - 1, middle));
    for (const part of [units.slice(0, middle), units.slice(middle)]) {
      if (!this.#says(part)) continue;
      const [start, partEnd] = [part[0]!.start, part.at(-1)!.end];
      const [count] = await this.#count([[start, partEnd]]);
      if (count! <= this.#options.maxTokens) this.#pieces.push({ start, end: partEnd, tokens: count! });
      else await this.#divide(part, false);
    }
  }

  /** Where each piece begins: with as many of the last words of the one before it as the overlap has room for. */
  async #startsWithOverlap(groups: ReadonlyArray<readonly Unit[]>): Promise<number[]> {
    const starts = groups.map(([first]) => first!.start);
    if (this.#options.overlapTokens === 0) return starts;
    for (const i of groups.keys()) {
      const before = i === 0 ? this.#before : groups[i - 1]!;
      const { at, left, next } = endOf(before, starts[i]!, this.#options.overlapTokens);
      const isSentence = next?.level === 0 && left > 0;
      starts[i] = isSentence ? endOf(await this.#takeApart(next), at, left).at : at;
    }
    return starts;
  }
}

function tokensOf(units: readonly Unit[]): number {
  return units.reduce((sum, { tokens }) => sum + tokens, 0);
}

/** The last units that have room in so many tokens: where they begin, the tokens left, and the unit before them. */
function endOf(
  units: readonly Unit[],
  end: number,
  tokens: number,
): { at: number; left: number; next: Unit | undefined } {
  let at = end;
  let left = tokens;
  let i = units.length - 1;
  for (; i >= 0 && units[i]!.tokens <= left; i--) {
    left -= units[i]!.tokens;
    at = units[i]!.start;
  }
  return { at, left, next: units[i] };
}
