/**
 * Merging takes time quadratic in the length of an unbroken run (100,000 letters: 13 s), so runs are cut
 * into pieces of this many characters. A cut can add a token to a run that no person wrote.
 */
const longestRun = 200;
/** Numbers fall into tokens of three digits, between which a cut changes nothing. */
const longestNumber = 300;

/** Characters after which a piece ends where that changes no token, and after which it ends at the next run. */
const pieceLength = 1_024;
const longestPiece = 4 * pieceLength;

const letter = 1;
const number = 2;
const space = 3;
const other = 4;

/** The class of each code point that has been seen, else 0: looking one up is much faster than asking an expression. */
const classes = new Uint8Array(0x110000);

function classOf(codePoint: number): number {
  return classes[codePoint] || classify(codePoint);
}

function classify(codePoint: number): number {
  const character = String.fromCodePoint(codePoint);
  const found = /\p{L}/u.test(character)
    ? letter
    : /\p{N}/u.test(character)
      ? number
      : /\s/u.test(character)
        ? space
        : other;
  classes[codePoint] = found;
  return found;
}

/**
 * A text in pieces that have, one after another, the tokens of the whole; each is short, and has memory of its own, so that
 * what is remembered of a piece does not keep a text of megabytes. Looks at each character once, and at no more of them
 * than for the pieces that are taken.
 */
export function* pieces(text: string): Generator<string> {
  if (text.length < longestRun) {
    yield text;
    return;
  }
  let from = 0;
  let run = 0;
  let runClass = 0;
  for (let at = 0; at < text.length; ) {
    const codePoint = text.codePointAt(at)!;
    const found = classOf(codePoint);
    if (found !== runClass) {
      // No token reaches from a letter or a digit into what is neither.
      const isFree = runClass === letter || runClass === number;
      if (at - from >= (isFree ? pieceLength : longestPiece)) {
        yield own(text, from, at);
        from = at;
      }
      run = 0;
      runClass = found;
    }
    run += 1;
    at += codePoint > 0xffff ? 2 : 1;
    if (run < (found === number ? longestNumber : longestRun)) continue;
    yield own(text, from, at);
    from = at;
    run = 0;
    runClass = 0;
  }
  if (from < text.length) yield own(text, from, text.length);
}

/** A part of a text that does not keep the rest of it in memory. */
function own(text: string, from: number, to: number): string {
  const part = text.slice(from, to);
  return text.length <= longestPiece ? part : Buffer.from(part).toString();
}
