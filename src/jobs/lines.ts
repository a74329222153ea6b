import { badUserInput, EmbedQLError } from '../core/errors.ts';
import { ownTurn, Turns } from '../core/turns.ts';

/** A line of JSON. */
export interface JsonLine {
  /** From 1. */
  readonly number: number;
  readonly value: unknown;
  /** Where the next line begins, in bytes from the start. */
  readonly end: number;
}

/** What a line of a client may be: what one request may be, for it stands for one. */
export interface LineLimits {
  readonly maxBytes: number;
  /** Whether JSON has more lists, objects or members in it than may be parsed. */
  hasTooMuchInside(json: Buffer): boolean;
}

const newline = 0x0a;

/** Bytes of a line that takes more than one turn of the event loop: to be looked at, decoded and parsed. */
const largeLine = 262_144;

/** The lines of a stream of bytes, without those that have nothing in them. @throws EmbedQLError for one that is too long */
async function* byteLines(
  source: AsyncIterable<Buffer>,
  maxBytes: number,
): AsyncGenerator<{ number: number; bytes: Buffer; end: number }> {
  let parts: Buffer[] = [];
  let length = 0;
  let number = 0;
  let end = 0;
  const line = () => {
    number += 1;
    const bytes = parts.length === 1 ? parts[0]! : Buffer.concat(parts);
    parts = [];
    length = 0;
    return { number, bytes, end };
  };
  for await (const chunk of source) {
    for (let from = 0; from < chunk.length; ) {
      const at = chunk.indexOf(newline, from);
      const part = chunk.subarray(from, at === -1 ? chunk.length : at);
      length += part.length;
      if (length > maxBytes) throw tooLong(number + 1, maxBytes);
      if (part.length > 0) parts.push(part);
      from += part.length + (at === -1 ? 0 : 1);
      end += part.length + (at === -1 ? 0 : 1);
      if (at !== -1) yield line();
    }
  }
  if (length > 0) yield line();
}

/**
 * Lines of JSON, one after another; blank ones are passed over.
 * @param limits Default: none, for lines that were written here
 * @throws EmbedQLError BAD_USER_INPUT with the number of a line that is none, or too long; COST_LIMIT_EXCEEDED where it would
 *   take too long to parse
 */
export async function* jsonLines(
  source: AsyncIterable<Buffer>,
  limits?: LineLimits,
): AsyncGenerator<JsonLine, void, void> {
  const turns = new Turns();
  for await (const { number, bytes, end } of byteLines(
    source,
    limits?.maxBytes ?? Number.POSITIVE_INFINITY,
  )) {
    const others = turns.next();
    if (others) await others;
    const isLarge = bytes.length > largeLine;
    if (isLarge) await ownTurn();
    if (limits?.hasTooMuchInside(bytes)) throw tooMuchInside(number);
    if (isLarge) await ownTurn();
    const text = bytes.toString().replace(/^\uFEFF/, '');
    if (isLarge) await ownTurn();
    if (text.trim() === '') continue;
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      throw badUserInput(
        `Line ${number} is not JSON; each line must be a text in quotes, or an object with a "text".`,
      );
    }
    // Somebody works with it, in a turn of their own.
    if (isLarge) await ownTurn();
    yield { number, value, end };
  }
}

function tooLong(line: number, allowed: number): EmbedQLError {
  return new EmbedQLError(
    'BAD_USER_INPUT',
    `Line ${line} has more than ${allowed} bytes, the most of one request; give each text a line of its own, or raise maxBodyBytes.`,
    { hint: 'maxBodyBytes' },
  );
}

function tooMuchInside(line: number): EmbedQLError {
  return new EmbedQLError(
    'COST_LIMIT_EXCEEDED',
    `Line ${line} has more lists, objects or members of an object than one request may have; split it, or raise maxBodyBytes.`,
    { hint: 'maxBodyBytes' },
  );
}

/** What a line of a file asks for. */
export interface LineRequest {
  /** Texts, or lists of tokens that stand for texts. */
  readonly inputs: readonly string[] | ReadonlyArray<readonly number[]>;
  /** The model that it names. */
  readonly model?: string | undefined;
}

/**
 * Reads a line: a text, an object with a `text`, or a line of OpenAI's batches, with the `body` of a request.
 * @throws EmbedQLError BAD_USER_INPUT with the number of the line
 */
export function readLine({ number, value }: JsonLine): LineRequest {
  if (typeof value === 'string') return { inputs: [value] };
  if (isObject(value)) {
    if (typeof value['text'] === 'string') return { inputs: [value['text']] };
    const { body } = value;
    if (isObject(body)) {
      const inputs = readInputs(body['input']);
      const model = typeof body['model'] === 'string' ? body['model'] : undefined;
      if (inputs) return { inputs, model };
      throw badUserInput(
        `Line ${number} has a "body" whose "input" is no text, no list of texts, and no list of tokens.`,
      );
    }
  }
  throw badUserInput(
    `Line ${number} is none of these: a text in quotes, {"text": "…"}, {"body": {"input": "…"}}.`,
  );
}

function readInputs(input: unknown): LineRequest['inputs'] | undefined {
  if (typeof input === 'string') return [input];
  if (!Array.isArray(input) || input.length === 0) return undefined;
  const items: readonly unknown[] = input;
  if (items.every((one) => typeof one === 'string')) return items;
  if (isTokens(items)) return [items];
  return items.every(isTokens) ? items : undefined;
}

function isTokens(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'number');
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
