import { readFileSync } from 'node:fs';
import { workerData } from 'node:worker_threads';
import { Tokenizer } from '@huggingface/tokenizers';
import { growUntil, sliceWhole } from '../text.ts';
import type { CutText } from './counter.ts';
import type { TokenizerFiles } from './tokenizer-files.ts';

// Runs in a worker thread of its own for each tokenizer: reading one takes up to a second, and a text of megabytes some more.

/** What a task comes back with: a tokenizer that cannot be read is an answer. */
export type TokenizerReply<Result> = { readonly result: Result } | { readonly loadError: string };

export interface CountTask {
  readonly texts: readonly string[];
  readonly atMost?: number | undefined;
}

export interface CutTask {
  readonly texts: readonly string[];
  readonly limit: number;
}

/** Characters of a token, at the least, that a start of a text is grown by: more than most have. */
const charactersOfToken = 8;
/** More than the special tokens of any model. */
const specialRoom = 8;
/** Guesses before a search only halves. */
const guesses = 8;

let tokenizer: Tokenizer | string;
try {
  const { tokenizer: file, config } = workerData as TokenizerFiles;
  const read = (name: string) => JSON.parse(readFileSync(name, 'utf8')) as object;
  tokenizer = new Tokenizer(read(file), config === undefined ? {} : read(config));
} catch (error) {
  tokenizer = error instanceof Error ? error.message : String(error);
}

function withTokenizer<Result>(work: (count: (text: string) => number) => Result): TokenizerReply<Result> {
  if (typeof tokenizer === 'string') return { loadError: tokenizer };
  const loaded = tokenizer;
  // The start that was enough is counted again by whoever asked for it.
  let last = '';
  let tokens = 0;
  const count = (text: string) => {
    if (text !== last || tokens === 0) {
      tokens = loaded.encode(text).ids.length;
      last = text;
    }
    return tokens;
  };
  return { result: work(count) };
}

/** Resolves once the tokenizer is in memory. */
export function load(): TokenizerReply<number> {
  return withTokenizer((count) => count(''));
}

/** Tokens of each text, special ones included. */
export function count({ texts, atMost = Number.POSITIVE_INFINITY }: CountTask): TokenizerReply<number[]> {
  return withTokenizer((countOf) =>
    texts.map((text) => {
      const enough = atMost + specialRoom;
      // A token at the end of a start may be another one than in the whole, so more than `atMost` are looked for.
      return countOf(growUntil(text, charactersOfToken * enough, (start) => countOf(start) > enough));
    }),
  );
}

/** Every text within `limit` tokens, special ones included. */
export function cut({ texts, limit }: CutTask): TokenizerReply<CutText[]> {
  return withTokenizer((countOf) => texts.map((text) => cutOne(text, limit, countOf)));
}

function cutOne(whole: string, limit: number, countOf: (text: string) => number): CutText {
  const text = growUntil(
    whole,
    charactersOfToken * (limit + specialRoom),
    (start) => countOf(start) > 2 * limit,
  );
  const tokens = countOf(text);
  if (tokens <= limit) {
    // All of it was looked at: `growUntil` stops earlier only where there are more.
    return { text: whole, tokens, truncated: false };
  }
  let fits = { characters: 0, tokens: countOf('') };
  let tooLong = { characters: text.length, tokens };
  for (let step = 0; tooLong.characters - fits.characters > 1; step++) {
    const between = tooLong.characters - fits.characters;
    // Tokens are about equally long in one text, so the first guesses are near.
    const share = (limit + 0.5 - fits.tokens) / Math.max(1, tooLong.tokens - fits.tokens);
    const guess = step < guesses ? Math.floor(between * share) : Math.floor(between / 2);
    const characters = fits.characters + Math.min(between - 1, Math.max(1, guess));
    const found = countOf(text.slice(0, characters));
    if (found <= limit) fits = { characters, tokens: found };
    else tooLong = { characters, tokens: found };
  }
  const start = sliceWhole(text, fits.characters);
  return {
    text: start,
    tokens: start.length === fits.characters ? fits.tokens : countOf(start),
    truncated: true,
  };
}
