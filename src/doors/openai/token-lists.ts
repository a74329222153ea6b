import { setImmediate as nextTurn } from 'node:timers/promises';
import { EmbedQLError } from '../../core/errors.ts';
import { ParameterError } from './errors.ts';

/** What each token of cl100k_base stands for, by its id: a text, or bytes where it is no whole character. */
type Vocabulary = ReadonlyArray<string | readonly number[]>;

let vocabulary: Promise<Vocabulary> | undefined;

/** A megabyte, so only once somebody sends tokens. */
function loadVocabulary(): Promise<Vocabulary> {
  vocabulary ??= import('#cl100k-ranks').then((module) => module.default);
  return vocabulary;
}

/** Ids that cl100k_base has beyond its vocabulary: marks such as the end of a text, which stand for no text. */
const specialIds = new Set([100_257, 100_258, 100_259, 100_260, 100_276]);

/** Tokens after which others get a turn. */
const sliceTokens = 20_000;

export interface DecodeOptions {
  /** Characters that all of them may stand for together. */
  limit: number;
  /** What a client calls a list. */
  placeOf(index: number): string;
}

/**
 * The texts that lists of tokens stand for, as OpenAI reads them. Bytes that make no character are U+FFFD.
 * @returns a text for each list
 * @throws ParameterError BAD_USER_INPUT with the place of a token that stands for no text, EmbedQLError COST_LIMIT_EXCEEDED
 *   where a few bytes of tokens stand for more text than the server takes
 */
export async function decodeTokenLists(
  lists: ReadonlyArray<readonly number[]>,
  { limit, placeOf }: DecodeOptions,
): Promise<string[]> {
  const known = await loadVocabulary();
  const texts: string[] = [];
  let left = limit;
  let since = 0;
  for (const [i, ids] of lists.entries()) {
    if (ids.length === 0)
      throw new ParameterError(placeOf(i), `${placeOf(i)} has no tokens; give it something to embed.`);
    let text = '';
    for (let from = 0; from < ids.length; ) {
      if (since >= sliceTokens) {
        await nextTurn();
        since = 0;
      }
      const to = sliceEnd(known, ids, from + sliceTokens - since);
      since += to - from;
      text += decode(known, ids, from, to, placeOf(i));
      if (text.length > left) throw tooMuchText();
      from = to;
    }
    left -= text.length;
    texts.push(text);
  }
  return texts;
}

/** Where a slice ends: not inside of a character, which may be in several tokens. */
function sliceEnd(known: Vocabulary, ids: readonly number[], at: number): number {
  let end = Math.min(at, ids.length);
  while (end < ids.length && typeof known[ids[end]!] !== 'string') end += 1;
  return end;
}

function decode(known: Vocabulary, ids: readonly number[], from: number, to: number, place: string): string {
  // Joined at once: a text put together word by word is millions of objects until somebody reads it.
  const parts: string[] = [];
  let bytes: number[] = [];
  for (let at = from; at < to; at++) {
    const token = known[ids[at]!];
    if (typeof token === 'object') {
      for (const byte of token) bytes.push(byte);
      continue;
    }
    if (token === undefined) throw noToken(ids[at]!, known.length - 1, `${place}[${at}]`);
    if (bytes.length > 0) parts.push(Buffer.from(bytes).toString());
    bytes = [];
    parts.push(token);
  }
  if (bytes.length > 0) parts.push(Buffer.from(bytes).toString());
  return parts.join('');
}

function noToken(id: number, last: number, place: string): ParameterError {
  if (specialIds.has(id))
    return new ParameterError(
      place,
      `${place} is a special token of cl100k_base, which stands for no text; leave it out.`,
    );
  return new ParameterError(
    place,
    `${place} is no token of cl100k_base: its ids are whole numbers from 0 to ${last}. Encode the text with cl100k_base, or ` +
      'send the text itself (LangChain: check_embedding_ctx_length=False).',
  );
}

function tooMuchText(): EmbedQLError {
  return new EmbedQLError(
    'COST_LIMIT_EXCEEDED',
    'The tokens stand for more text than the server takes in one body; split them, or raise maxBodyBytes.',
    { hint: 'maxBodyBytes' },
  );
}
