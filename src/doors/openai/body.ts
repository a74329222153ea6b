import type { AdmittedOperation } from '../../admission/admission.ts';
import type { TextKind } from '../../core/model.ts';
import { ownTurn } from '../../core/turns.ts';
import type { LongText } from '../../core/wish.ts';
import { ParameterError } from './errors.ts';

/** What `POST /v1/embeddings` was sent. Unknown members are passed over, as OpenAI does; null is the same as left out. */
export interface EmbeddingsBody {
  readonly model: string | undefined;
  readonly input: EmbeddingsInput;
  readonly encoding: 'float' | 'base64';
  /** What the numbers of a vector are. */
  readonly dtype: OutputDtype;
  readonly dimensions: number | undefined;
  /** Undefined: as the model's own service would do. */
  readonly truncate: boolean | undefined;
  /** Undefined: what `truncate` says. */
  readonly longText: LongText | undefined;
  readonly kind: TextKind;
}

/** Float32, signed bytes, or one bit for each number (Voyage's `output_dtype`). */
export type OutputDtype = 'float' | 'int8' | 'binary';

/** Texts, or tokens of cl100k_base that stand for texts. */
export interface EmbeddingsInput {
  readonly items: readonly string[] | ReadonlyArray<readonly number[]>;
  /** What a client calls an item: `input`, or `input[3]` in a list. */
  placeOf(index: number): string;
}

/**
 * Reads a body, after what it asks for has been counted.
 * @throws ParameterError BAD_USER_INPUT, EmbedQLError COST_LIMIT_EXCEEDED
 */
export async function readBody(
  body: unknown,
  operation: Pick<AdmittedOperation, 'announce'>,
): Promise<EmbeddingsBody> {
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw new ParameterError(null, 'The body must be a JSON object such as {"input": "A cat purrs."}.');
  const members = body as Record<string, unknown>;
  const raw = members['input'];
  const isOneList = Array.isArray(raw) && typeof raw[0] === 'number' && (await areTokens([raw]));
  operation.announce(Array.isArray(raw) && !isOneList ? raw : [raw]);
  const model = readText(members, 'model');
  const input = isOneList ? { items: [raw], placeOf: () => 'input' } : await readInput(raw);
  return {
    model,
    input,
    encoding: readChoice(members, 'encoding_format', encodings) ?? 'float',
    dtype: readChoice(members, 'output_dtype', dtypes, ['float', 'int8', 'binary']) ?? 'float',
    dimensions: readWhole(members, 'dimensions'),
    truncate: readBoolean(members, 'truncate'),
    longText: readChoice(members, 'long_text', longTexts, ['truncate', 'refuse', 'average']),
    kind: readChoice(members, 'input_type', kinds) ?? 'doc',
  };
}

const dtypes = { float: 'float', int8: 'int8', binary: 'binary' } as const;

const longTexts = { truncate: 'truncate', refuse: 'refuse', average: 'average' } as const;

const encodings = { float: 'float', base64: 'base64' } as const;

/** Of Voyage and NIM, and of Cohere: what a text is for. Messages name the first two. */
const kinds = {
  query: 'query',
  document: 'doc',
  passage: 'doc',
  search_query: 'query',
  search_document: 'doc',
} as const;

/** Entries of lists that are looked at before others get a turn. */
const entriesOfTurn = 524_288;

/** Whether lists have nothing but numbers in them, which may be millions. */
async function areTokens(lists: ReadonlyArray<readonly unknown[]>): Promise<boolean> {
  let since = 0;
  for (const list of lists)
    for (let from = 0; from < list.length; from += entriesOfTurn) {
      const end = Math.min(list.length, from + entriesOfTurn);
      for (let i = from; i < end; i++) if (typeof list[i] !== 'number') return false;
      since += end - from;
      if (since < entriesOfTurn) continue;
      await ownTurn();
      since = 0;
    }
  return true;
}

async function readInput(raw: unknown): Promise<EmbeddingsInput> {
  const alone = () => 'input';
  if (typeof raw === 'string') return { items: [raw], placeOf: alone };
  if (!Array.isArray(raw))
    throw new ParameterError(
      'input',
      'input must be a text, a list of texts, a list of tokens, or a list of such lists.',
    );
  if (raw.length === 0) throw new ParameterError('input', 'input must have at least one text.');
  const placeOf = (index: number) => `input[${index}]`;
  if (isListOf(raw, isText)) return { items: raw, placeOf };
  if (isListOf(raw, Array.isArray) && (await areTokens(raw))) return { items: raw as number[][], placeOf };
  throw mixed(raw);
}

/** The first item that is of no kind, or of another kind than the items before it. */
function mixed(raw: readonly unknown[]): ParameterError {
  const first = kindOf(raw[0]);
  const at = first === undefined ? 0 : raw.findIndex((item) => kindOf(item) !== first);
  const item = raw[at];
  if (Array.isArray(item) && item.length > 0 && (first === tokenList || first === undefined)) {
    const inside = item.findIndex((id) => typeof id !== 'number');
    const place = `input[${at}][${inside}]`;
    return new ParameterError(place, `${place} is ${typeName(item[inside])} where a token is expected.`);
  }
  const expected = first === undefined ? 'a text or a list of tokens' : `${first}, as the others are`;
  const place = `input[${at}]`;
  return new ParameterError(place, `${place} is ${typeName(item)}; it must be ${expected}.`);
}

const tokenList = 'a list of tokens';

function kindOf(item: unknown): string | undefined {
  if (isText(item)) return 'a text';
  if (typeof item === 'number') return 'a token';
  return isTokens(item) ? tokenList : undefined;
}

function isText(item: unknown): item is string {
  return typeof item === 'string';
}

/** An empty list has no tokens of another type; it is refused where it is read. */
function isTokens(item: unknown): item is readonly number[] {
  return Array.isArray(item) && item.every((id) => typeof id === 'number');
}

function isListOf<Item>(
  raw: readonly unknown[],
  is: (item: unknown) => item is Item,
): raw is readonly Item[] {
  return raw.every(is);
}

function readText(members: Record<string, unknown>, name: string): string | undefined {
  const value = members[name] ?? undefined;
  if (value === undefined || typeof value === 'string') return value;
  throw new ParameterError(name, `${name} must be a text, not ${typeName(value)}.`);
}

function readWhole(members: Record<string, unknown>, name: string): number | undefined {
  const value = members[name] ?? undefined;
  if (value === undefined || (typeof value === 'number' && Number.isSafeInteger(value))) return value;
  const got = typeof value === 'number' ? 'one with a fraction' : typeName(value);
  throw new ParameterError(name, `${name} must be a whole number, not ${got}.`);
}

function readBoolean(members: Record<string, unknown>, name: string): boolean | undefined {
  const value = members[name] ?? undefined;
  if (value === undefined || typeof value === 'boolean') return value;
  throw new ParameterError(name, `${name} must be true or false, not ${typeName(value)}.`);
}

function readChoice<Choice>(
  members: Record<string, unknown>,
  name: string,
  choices: Readonly<Record<string, Choice>>,
  named = Object.keys(choices).slice(0, 2),
): Choice | undefined {
  const value = members[name] ?? undefined;
  if (value === undefined) return undefined;
  if (typeof value === 'string' && Object.hasOwn(choices, value)) return choices[value];
  const last = named.at(-1);
  const others = named.slice(0, -1).map((choice) => `"${choice}"`);
  throw new ParameterError(name, `${name} must be ${others.join(', ')} or "${last}".`);
}

function typeName(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list';
  if (typeof value === 'string') return 'a text';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}
