/** Characters up to which a document need not be looked at before the parser does. */
const smallDocument = 4_096;
/** Characters of a document. A text of that length belongs into the variables. */
const maxCharacters = 8_388_608;
/** Blanks, commas, line breaks and comments of a document. Those of a document of a hundred thousand tokens are fewer. */
const maxIgnored = 1_048_576;
/** Escapes and lines in the texts of a document. The parser puts a text together from what is between them. */
const maxPieces = 131_072;
/** Characters of a name or number. V8 hashes very long strings by their length alone, so that a map of many compares each with each. */
export const maxNameLength = 1_024;

const [tab, lineFeed, carriageReturn, space, quote, hash, comma, dot, backslash, byteOrderMark] = [
  0x09, 0x0a, 0x0d, 0x20, 0x22, 0x23, 0x2c, 0x2e, 0x5c, 0xfeff,
];

/**
 * What a document has too much of for the parser, which calls itself, makes an object of each token, and puts long texts
 * together piece by piece. Goes over each character once at most, stops at the first excess, and makes nothing.
 * @returns undefined for a document that may be parsed, and for one of which the parser will say what is wrong
 */
export function excessOf(source: string, maxTokens: number): string | undefined {
  if (source.length <= smallDocument) return undefined;
  if (source.length > maxCharacters) return `more than ${maxCharacters} characters (send texts as variables)`;
  let tokens = 0;
  let ignored = 0;
  let pieces = 0;
  for (let at = 0; at < source.length; ) {
    const start = at;
    const character = source.charCodeAt(at);
    if (isIgnored(character)) {
      at += 1;
      ignored += 1;
    } else {
      tokens += 1;
      if (tokens > maxTokens) return `more than ${maxTokens} tokens`;
      if (isInName(character)) {
        const isNumber = character < 0x41;
        do {
          at += 1;
          if (isNumber && source.charCodeAt(at) === dot) at += 1;
        } while (isInName(source.charCodeAt(at)) && at - start <= maxNameLength);
        if (at - start > maxNameLength) return `a name or number of more than ${maxNameLength} characters`;
      } else if (character === quote) {
        const text = new TextScan(source, at, maxPieces - pieces);
        if (text.end === undefined) return undefined;
        pieces += text.pieces;
        if (pieces > maxPieces)
          return `texts of more than ${maxPieces} lines and escapes (send them as variables)`;
        at = text.end;
      } else if (character === hash) {
        while (at < source.length && !isLineBreak(source.charCodeAt(at)) && at - start <= maxIgnored) at += 1;
        ignored += at - start;
      } else at += character === dot ? 3 : 1;
    }
    if (ignored > maxIgnored) return `more than ${maxIgnored} blanks and characters of comments`;
  }
  return undefined;
}

/** Characters of a text that are looked at here; where a longer one goes on is faster found by the processor. */
const nearCharacters = 64;

/** A text of a document, in one pair of quotes or three. */
class TextScan {
  /** After its last quote, or at the piece that was one too many; undefined where the text does not end. */
  readonly end: number | undefined;
  /** Escapes; in a block lines and quotes. */
  pieces = 0;

  constructor(source: string, start: number, maxPieces: number) {
    const isBlock = source.startsWith('"""', start);
    const ends = isBlock ? ['"', '\\', '\n', '\r'] : ['"', '\\'];
    const next = ends.map(() => -1);
    let near = start + nearCharacters;
    for (let at = start + (isBlock ? 3 : 1); at < source.length; at++) {
      if (at >= near) {
        // Where each of them comes next: looked for again only once it has been passed.
        for (const [i, end] of ends.entries())
          if (next[i]! < at) next[i] = orEnd(source.indexOf(end, at), source.length);
        at = Math.min(...next);
        if (at >= source.length) return;
        near = at + nearCharacters;
      }
      const character = source.charCodeAt(at);
      if (character === quote && (!isBlock || source.startsWith('"""', at))) {
        this.end = at + (isBlock ? 3 : 1);
        return;
      }
      if (character === backslash) {
        this.pieces += 1;
        if (!isBlock) at += 1;
        else if (source.startsWith('"""', at + 1)) at += 3;
      } else if (isLineBreak(character)) {
        // A text that does not end on its line is none.
        if (!isBlock) return;
        this.pieces += 1;
      } else if (character === quote) this.pieces += 1;
      else continue;
      if (this.pieces > maxPieces) {
        this.end = at;
        return;
      }
    }
  }
}

function orEnd(found: number, end: number): number {
  return found === -1 ? end : found;
}

function isIgnored(character: number): boolean {
  return (
    character === space ||
    character === comma ||
    character === tab ||
    character === byteOrderMark ||
    isLineBreak(character)
  );
}

function isLineBreak(character: number): boolean {
  return character === lineFeed || character === carriageReturn;
}

/** Whether a character goes on a name or a number: `_`, a letter, a digit, `-` or `+`. NaN, past the end, does not. */
function isInName(character: number): boolean {
  return (
    (character >= 0x61 && character <= 0x7a) ||
    (character >= 0x41 && character <= 0x5a) ||
    (character >= 0x30 && character <= 0x39) ||
    character === 0x5f ||
    character === 0x2d ||
    character === 0x2b
  );
}
