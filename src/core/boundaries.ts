/** How far a text has been taken apart: sentences, words, runs of graphemes, graphemes, code points. */
export type Level = 0 | 1 | 2 | 3 | 4;

// Sentences, words and graphemes are those of Unicode (UAX #29), the same whatever language the machine speaks.
const sentences = new Intl.Segmenter('en', { granularity: 'sentence' });
const words = new Intl.Segmenter('en', { granularity: 'word' });
const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });

/**
 * UTF-16 units that a segmenter looks at together. Each of its steps takes time in proportion to all of the text that it
 * has, so that one of 130,000 characters would take 20 s.
 */
const windows: Readonly<Record<Level, number>> = { 0: 4_096, 1: 2_048, 2: 1_024, 3: 1_024, 4: 0 };

/** Graphemes that are counted together, where a word is longer than a piece. */
const graphemesOfRun = 16;

/** Parts of a word unit that are no words, after which it ends. */
const mostMarks = 16;

/**
 * The ends of the parts of a text between two places, one after the other; the last is `to`. Linear in what is looked at.
 * @param most UTF-16 units after which a part ends, wherever that is
 */
export function ends(
  text: string,
  from: number,
  to: number,
  level: Level,
  most: number,
): Generator<number, void, void> {
  switch (level) {
    case 0:
      return sentenceEnds(text, from, to, most);
    case 1:
      return wordEnds(text, from, to, most);
    case 2:
      return runEnds(segments(text, from, to, graphemes, windows[2], most), to);
    case 3:
      return segments(text, from, to, graphemes, windows[3], most);
    case 4:
      return pointEnds(text, from, to);
  }
}

/** The ends of a segmenter's parts. It sees a window at a time; the last part of one begins the next. */
function* segments(
  text: string,
  from: number,
  to: number,
  segmenter: Intl.Segmenter,
  window: number,
  most: number,
): Generator<number, void, void> {
  let at = from;
  let size = window;
  while (at < to) {
    const end = Math.min(to, at + size);
    let last = at;
    for (const { index, segment } of segmenter.segment(text.slice(at, end))) {
      const partEnd = at + index + segment.length;
      // What reaches the end of the window may go on behind it.
      if (partEnd === end && end < to) break;
      yield partEnd;
      last = partEnd;
      if (size > window) break;
    }
    if (last > at) {
      at = last;
      size = window;
    } else if (size < most) size *= 2;
    else {
      at = wholeAt(text, end);
      yield at;
      size = window;
    }
  }
}

/**
 * Sentences, each with all that is blank behind it: empty lines are parts to the segmenter. However many there are, they are
 * passed over in one step.
 */
function* sentenceEnds(text: string, from: number, to: number, most: number): Generator<number, void, void> {
  for (let at = from; at < to; ) {
    const start = at;
    for (const end of segments(text, start, to, sentences, windows[0], most)) {
      // It is in what stands behind the last one.
      if (end <= at) continue;
      const until = blankUntil(text, end, Math.min(to, at + most));
      yield until;
      at = until;
      if (until - end > windows[0]) break;
    }
  }
}

/** Where the blanks that begin at a place end, at `most` at the latest. */
function blankUntil(text: string, from: number, most: number): number {
  let end = from;
  while (end < most && isBlank(text.charCodeAt(end))) end += 1;
  return end;
}

/** White space as JavaScript has it. */
function isBlank(unit: number): boolean {
  if (unit <= 0x20) return unit === 0x20 || (unit >= 9 && unit <= 13);
  return unit >= 0xa0 && String.fromCharCode(unit).trim() === '';
}

/** Words, each with the blanks and marks behind it. */
function* wordEnds(text: string, from: number, to: number, most: number): Generator<number, void, void> {
  let at = from;
  let marks = 0;
  let held = from;
  for (const end of segments(text, from, to, words, windows[1], most)) {
    const isWord = /[\p{L}\p{N}]/u.test(text.slice(at, end));
    if (held > from && (isWord || marks >= mostMarks)) {
      yield held;
      marks = 0;
    }
    marks = isWord ? 0 : marks + 1;
    held = end;
    at = end;
  }
  if (held > from) yield held;
}

function* runEnds(parts: Generator<number, void, void>, to: number): Generator<number, void, void> {
  let count = 0;
  for (const end of parts) {
    count += 1;
    if (count % graphemesOfRun === 0 || end === to) yield end;
  }
}

function* pointEnds(text: string, from: number, to: number): Generator<number, void, void> {
  for (let at = from; at < to; ) {
    at += text.codePointAt(at)! > 0xffff ? 2 : 1;
    yield at;
  }
}

/** The place itself, or the one before where it would cut a character in two. */
function wholeAt(text: string, at: number): number {
  const unit = text.charCodeAt(at - 1);
  return unit >= 0xd800 && unit <= 0xdbff && at < text.length ? at - 1 : at;
}

/** How good a place to cut is: the end of a paragraph, sentence, line, word, or something smaller. */
export function rankOf(text: string, from: number, end: number, level: Level): number {
  if (level > 0) return level === 1 ? 1 : 0;
  const tail = text.slice(Math.max(from, end - 64), end);
  const body = tail.trimEnd();
  const lineEnds = tail.slice(body.length).split('\n').length - 1;
  if (lineEnds > 1) return 4;
  // A line that ends without a full stop, or one before a quotation mark and the like, goes on: text that was wrapped.
  return lineEnds === 1 && !/[.!?:;…。！？।؟]/.test(body.slice(-3)) ? 2 : 3;
}

/** UTF-16 units before a place that say whether a text is cut there. */
const context = 32;

/** A number that depends on what stands before a place alone (FNV-1a), so that the same words are cut at the same place. */
export function hashBefore(text: string, end: number): number {
  let hash = 0x811c9dc5;
  for (let at = Math.max(0, end - context); at < end; at++) {
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  }
  return hash >>> 0;
}
