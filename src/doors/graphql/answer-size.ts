import { type ExecutionArgs, getOperationAST } from 'graphql';
import { answerTooLarge, EmbedQLError } from '../../core/errors.ts';
import { type Portion, readerOf } from './selection-shape.ts';

/** What the lists and vectors of one root field come to. */
export interface FieldScale {
  /** Entries of each list below it. */
  readonly items: number;
  /** Numbers in each vector. */
  readonly dimension: number;
  /** Bytes of a text that is given back, on average. */
  readonly textBytes: number;
}

export interface AnswerLimits {
  /** Bytes of the whole answer. */
  readonly maxBytes: number;
  /** Values in it: what stands behind a name, or in a list. */
  readonly maxValues: number;
}

/** What the operations of one answer come to so far. */
export interface AnswerUse {
  bytes: number;
  values: number;
}

/** Limits that let an operation of `maxTexts` fields through, each with all that there is to select. */
export function answerLimits({
  maxAnswerBytes,
  maxTexts,
}: {
  maxAnswerBytes: number;
  maxTexts: number;
}): AnswerLimits {
  return { maxBytes: maxAnswerBytes, maxValues: 65_536 + 32 * maxTexts };
}

/** Root fields that nobody knows more of: lists of models, of figures. */
const plainScale: FieldScale = { items: 64, dimension: 0, textBytes: 0 };

/** Bytes of a float32 of a unit vector as text, comma included; and of a double. */
const numberBytes = 14;
const doubleBytes = 22;

/**
 * Refuses an operation whose answer would be too large, before anything of it runs: by its selection, how many entries its
 * lists will have, and how long its vectors are. Directives are not looked at, so that it may come to less.
 * @param scaleOf what is known of a root field, by its name in the answer
 * @param isSpliced whether vectors are written as float32; they are longer as doubles
 * @param used by other operations of the same answer; what this one comes to is added
 * @throws EmbedQLError COST_LIMIT_EXCEEDED
 */
export function checkAnswerSize(
  { schema, document, operationName }: Pick<ExecutionArgs, 'schema' | 'document' | 'operationName'>,
  scaleOf: (responseKey: string) => FieldScale | undefined,
  limits: AnswerLimits,
  isSpliced: boolean,
  used: AnswerUse = { bytes: 0, values: 0 },
): void {
  const operation = getOperationAST(document, operationName);
  const rootType = operation && schema.getRootType(operation.operation);
  if (!operation || !rootType) return;
  const reader = readerOf(schema, document);
  let { bytes, values } = used;
  for (const field of reader.fieldsOf([operation.selectionSet], rootType)) {
    const { once, each } = reader.shapeOfField(field);
    const scale = scaleOf(field.responseKey) ?? plainScale;
    values += once.values + each.values * scale.items;
    bytes += bytesOf(once, scale, isSpliced) + bytesOf(each, scale, isSpliced) * scale.items;
    if (values > limits.maxValues) throw tooManyValues(limits.maxValues);
    if (bytes > limits.maxBytes) throw answerTooLarge(limits.maxBytes);
  }
  used.bytes = bytes;
  used.values = values;
}

function bytesOf(
  { bytes, numbers, base64, texts }: Portion,
  { dimension, textBytes }: FieldScale,
  isSpliced: boolean,
): number {
  return (
    bytes +
    numbers * dimension * (isSpliced ? numberBytes : doubleBytes) +
    base64 * Math.ceil((dimension * 16) / 3 + 4) +
    texts * textBytes
  );
}

/** Bytes of a text in JSON, on average, at the most. */
export function averageBytes(texts: readonly string[]): number {
  let units = 0;
  for (const text of texts) units += text.length;
  return texts.length === 0 ? 0 : Math.ceil((units * 3) / texts.length);
}

function tooManyValues(allowed: number): EmbedQLError {
  return new EmbedQLError(
    'COST_LIMIT_EXCEEDED',
    `The answer would have more than ${allowed} values; ask for fewer texts or fields.`,
  );
}
