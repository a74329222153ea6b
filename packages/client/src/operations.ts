import { type EmbedError, EmbedError as Failure } from './errors.ts';
import { type RawError, toEmbedError } from './failures.ts';
import type { Limits } from './split.ts';
import type { Embedding, EmbedManyOptions, TextChunk, VectorForm } from './types.ts';
import { decodeBase64, decodeBinary, decodeInt8 } from './vectors.ts';

/** Any form: the types of the client's methods say which. */
type AnyEmbedding = Embedding<VectorForm>;

/** What the server calls each form, and how it is read. */
const forms = {
  float32: { suffix: 'Base64', decode: decodeBase64 },
  int8: { suffix: 'Int8', decode: decodeInt8 },
  binary: { suffix: 'Binary', decode: decodeBinary },
} as const;

/** @throws RangeError for a form that there is not */
function readForm(form: VectorForm = 'float32') {
  if (Object.hasOwn(forms, form)) return forms[form];
  throw new RangeError(`form must be 'float32', 'int8' or 'binary', not ${String(form)}`);
}

const declarations =
  '$texts: [String!]!, $model: String, $dimensions: Int, $useCache: Boolean, $truncate: Boolean, $longText: LongText';
const given =
  'texts: $texts, model: $model, dimensions: $dimensions, useCache: $useCache, truncate: $truncate, longText: $longText';
const failureFields = 'failures { index code message retryable retryAfterMs }';

export const batchQuery = (form?: VectorForm) => `mutation EmbedMany(${declarations}, $kind: TextKind) {
  batch: embedBatch(${given}, kind: $kind) {
    model vectors: embeddings${readForm(form).suffix} tokens costs cached truncated chunks ${failureFields}
  }
}`;

const embeddingFields = (form?: VectorForm) =>
  `model vector: embedding${readForm(form).suffix} tokens cost cached truncated chunks`;

export const streamQuery = (form?: VectorForm) => `subscription EmbedStream(${declarations}) {
  stream: embedStream(${given}) {
    embeddings { index embedding { ${embeddingFields(form)} } } ${failureFields}
  }
}`;

export const chunksQuery = (form?: VectorForm) => `mutation EmbedChunks(
  $text: String!, $model: String, $maxTokens: Int, $overlapTokens: Int, $useCache: Boolean, $dimensions: Int
) {
  chunks: embedChunks(
    text: $text, model: $model, maxTokens: $maxTokens, overlapTokens: $overlapTokens, useCache: $useCache, dimensions: $dimensions
  ) {
    text start end tokens embedding { ${embeddingFields(form)} }
  }
}`;

export const limitsQuery = 'query Limits { limits { maxTexts maxTokens maxBodyBytes } }';

/** The variables of both operations. What is not given is left out, so that the server's defaults hold. */
export function variablesOf(
  texts: readonly string[],
  { kind, model, dimensions, useCache, truncate, longText }: EmbedManyOptions,
): object {
  const asked = kind === undefined ? undefined : kind === 'query' ? 'QUERY' : 'DOCUMENT';
  return { texts, kind: asked, model, dimensions, useCache, truncate, longText: longText?.toUpperCase() };
}

interface RawFailure {
  index: number;
  code: string;
  message: string;
  retryable: boolean;
  retryAfterMs: number | null;
}

/** An embedding or an error for each of `count` texts. */
export function readBatch(
  data: Record<string, unknown>,
  count: number,
  form?: VectorForm,
): Array<AnyEmbedding | EmbedError> {
  const { decode } = readForm(form);
  const batch = data['batch'] as {
    model: string;
    vectors: Array<string | null>;
    tokens: number[];
    costs: number[];
    cached: boolean[];
    truncated: boolean[];
    chunks: number[];
    failures: RawFailure[];
  };
  const results: Array<AnyEmbedding | EmbedError> = [];
  for (let i = 0; i < count; i++) {
    const base64 = batch.vectors[i];
    results.push(
      typeof base64 === 'string'
        ? {
            vector: decode(base64),
            model: batch.model,
            tokens: batch.tokens[i] as number,
            costUsd: batch.costs[i] as number,
            cached: batch.cached[i] as boolean,
            truncated: batch.truncated[i] as boolean,
            chunks: batch.chunks[i] as number,
          }
        : new Failure('INTERNAL_SERVER_ERROR', 'The answer has no embedding for this text, and no reason.'),
    );
  }
  for (const failure of batch.failures) results[failure.index] = readFailure(failure);
  return results;
}

/** An embedding as the server gives it. */
interface RawEmbedding {
  vector: string;
  model: string;
  tokens: number;
  cost: number;
  cached: boolean;
  truncated: boolean;
  chunks: number;
}

function readEmbedding({ vector, cost, ...rest }: RawEmbedding, form?: VectorForm): AnyEmbedding {
  return { vector: readForm(form).decode(vector), costUsd: cost, ...rest };
}

/** The results in one event of a stream, by their places among the texts that were sent. */
export function readEvent(
  data: Record<string, unknown>,
  form?: VectorForm,
): Array<[number, AnyEmbedding | EmbedError]> {
  const { embeddings, failures } = data['stream'] as {
    embeddings: Array<{ index: number; embedding: RawEmbedding }>;
    failures: RawFailure[];
  };
  return [
    ...embeddings.map(({ index, embedding }): [number, AnyEmbedding] => [
      index,
      readEmbedding(embedding, form),
    ]),
    ...failures.map((failure): [number, EmbedError] => [failure.index, readFailure(failure)]),
  ];
}

/** The pieces of a text. */
export function readChunks(data: Record<string, unknown>, form?: VectorForm): Array<TextChunk<VectorForm>> {
  const chunks = data['chunks'] as Array<Omit<TextChunk, 'embedding'> & { embedding: RawEmbedding }>;
  return chunks.map(({ embedding, ...chunk }) => ({ ...chunk, embedding: readEmbedding(embedding, form) }));
}

/** What the server says that it takes; undefined where it says nothing that makes sense. */
export function readLimits(data: Record<string, unknown>): Limits | undefined {
  const limits = data['limits'] as Limits | undefined;
  const isWhole = limits && [limits.maxTexts, limits.maxTokens, limits.maxBodyBytes].every((n) => n > 0);
  return isWhole ? limits : undefined;
}

function readFailure({ message, code, retryable, retryAfterMs }: RawFailure): EmbedError {
  const raw: RawError = { message, extensions: { code, retryable, retryAfterMs } };
  return toEmbedError(raw);
}
