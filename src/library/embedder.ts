import type { EmbedQLError } from '../core/errors.ts';

/** How texts are embedded. */
export interface EmbedOptions {
  /** The name of the model. @default the embedder's default model */
  model?: string | undefined;
  /** Numbers in the vector, for models that can be shortened. @default all */
  dimensions?: number | undefined;
  /** Gives up when it aborts: what nobody else waits for is not sent any more. The call rejects with its reason. */
  signal?: AbortSignal | undefined;
  /** False neither reads the cache nor writes to it. @default true */
  useCache?: boolean | undefined;
  /** False refuses a text that is over the model's limit (`TEXT_TOO_LONG`) instead of cutting it. @default true */
  truncate?: boolean | undefined;
  /**
   * What becomes of a text that is over the model's limit: it is cut, refused, or read in pieces whose vectors are averaged,
   * weighted by tokens. @default what `truncate` says
   */
  longText?: 'truncate' | 'refuse' | 'average' | undefined;
}

/** How a text is embedded piece by piece. */
export interface EmbedChunksOptions extends Omit<EmbedOptions, 'truncate' | 'longText'> {
  /** Tokens of a piece at the most, with all that the model adds. @default the model's limit */
  maxTokens?: number | undefined;
  /** Tokens that a piece repeats from the end of the one before it, at the most. @default 0 */
  overlapTokens?: number | undefined;
}

/** How many texts are embedded. */
export interface EmbedManyOptions extends EmbedOptions {
  /** Whether the texts are to be found, or to find with; some models tell them apart. @default document */
  kind?: 'document' | 'query' | undefined;
  /** The most texts in one provider call. @default the model's limit */
  batchSize?: number | undefined;
}

/** What became of a text. */
export interface Embedding {
  /** The vector: the caller's own, to change at will. */
  readonly vector: Float32Array;
  /** Tokens that the provider charged for, or would have where the cache answered. */
  readonly tokens: number;
  /** USD that this text has cost now; 0 from the cache, and for who shares a text that another pays for. */
  readonly costUsd: number;
  /** Whether it came out of the cache. */
  readonly cached: boolean;
  /** Whether the text was cut to the model's limit. */
  readonly truncated: boolean;
  /** The name of the model. */
  readonly model: string;
  /** The pieces that the text was read in: 1, or more where they were averaged. */
  readonly chunks: number;
}

/** A piece of a text. */
export interface TextChunk {
  /** Exactly the text from `start` to `end`, lone surrogates replaced. */
  readonly text: string;
  /** UTF-16 positions in the text; `end` is the first that is not in it. */
  readonly start: number;
  readonly end: number;
  /** As `maxTokens` counts them. */
  readonly tokens: number;
  readonly embedding: Embedding;
}

/** What became of many texts. */
export interface EmbeddingBatch {
  /** In the order of the texts: an embedding, or why there is none. */
  readonly results: Array<Embedding | EmbedQLError>;
  /** USD for all of them. */
  readonly costUsd: number;
  /** Tokens of all of them. */
  readonly tokens: number;
}

/** What an embedder has done so far, for one model or for all. */
export interface EmbedderFigures {
  /** Vectors that a provider computed. */
  readonly totalEmbeddingsGenerated: number;
  readonly cacheHits: number;
  readonly cacheMisses: number;
  /** From 0 to 1. */
  readonly cacheHitRate: number;
  readonly totalTokens: number;
  readonly totalCostUsd: number;
  /** USD that cache hits would have cost. */
  readonly costSavedUsd: number;
  /** Calls to providers, those that failed and were tried again included. */
  readonly providerCalls: number;
  /** Texts in a call, on average. */
  readonly averageBatchSize: number;
  /** Texts that shared a call with another, or joined one that was under way. */
  readonly coalescedTexts: number;
}

/** The figures of an embedder. */
export interface EmbedderMetrics extends EmbedderFigures {
  readonly since: Date;
  readonly byModel: ReadonlyArray<EmbedderFigures & { readonly model: string }>;
}

/** Which days of the books, and what they are added up by. */
export interface SpendOptions {
  /** The first UTC day, YYYY-MM-DD. */
  from: string;
  /** The last, included. */
  to: string;
  /** @default ['day'] */
  groupBy?: ReadonlyArray<'day' | 'model'> | undefined;
}

/** What was asked for, paid and saved. */
export interface SpendRow {
  /** YYYY-MM-DD, UTC; null where it is not added up by days. */
  readonly day: string | null;
  /** Null where it is not added up by models. */
  readonly model: string | null;
  /** Texts that were asked for, those of them that the cache had, and those that a provider was paid for. */
  readonly texts: number;
  readonly hits: number;
  readonly computed: number;
  /** Tokens that providers charged for. */
  readonly tokens: number;
  readonly costUsd: number;
  /** USD that cache hits would have cost. */
  readonly costSavedUsd: number;
  /** Whether figures may be missing: they are in memory alone, or a file was damaged. */
  readonly lossy: boolean;
}

/** A model as an embedder has it. */
export interface ModelInfo {
  readonly name: string;
  readonly provider: string;
  readonly dimension: number;
  readonly maxBatchSize: number;
  readonly maxInputTokens: number;
  /** USD; null where it is not known. */
  readonly costPer1kTokens: number | null;
  readonly supportsDimensions: boolean;
  readonly isDefault: boolean;
  /** Whether it can be asked, as far as is known. */
  readonly available: boolean;
  /** Whether it is in memory; a remote model counts as loaded when it is available. */
  readonly loaded: boolean;
  /** Why it is not available, and what to do. */
  readonly reason: string | undefined;
}

/**
 * Texts in, vectors out. Calls that come together share provider calls, a text that is asked for twice is computed
 * once, and what was computed before comes out of the cache.
 *
 * @example
 * ```ts
 * async function index(embedder: Embedder, titles: readonly string[]) {
 *   // One provider call for all of them, wherever they are asked for.
 *   return Promise.all(titles.map((title) => embedder.embed(title)));
 * }
 * ```
 */
export interface Embedder {
  /**
   * Embeds a text that is to be found.
   * @throws {EmbedQLError} rejects with `BAD_USER_INPUT`, `MODEL_NOT_FOUND`, `TEXT_TOO_LONG` and others; see its `code`
   *
   * @example
   * ```ts
   * const { vector, tokens, costUsd, cached } = await embedder.embed('The cat sat on the mat.');
   * ```
   */
  embed(text: string, options?: EmbedOptions): Promise<Embedding>;
  /**
   * Embeds a text to find others with.
   * @throws {EmbedQLError} like `embed`
   *
   * @example
   * ```ts
   * const { vector } = await embedder.embedQuery('Which animals purr?', { signal: AbortSignal.timeout(2_000) });
   * ```
   */
  embedQuery(query: string, options?: EmbedOptions): Promise<Embedding>;
  /**
   * Embeds any number of texts. One that fails costs the others nothing: its error stands in its place.
   * @throws {EmbedQLError} rejects where none could be done: wrong options, a model that there is not
   *
   * @example
   * ```ts
   * const { results, costUsd } = await embedder.embedMany(['red', 'green', '']);
   * for (const result of results) {
   *   if (result instanceof EmbedQLError) console.warn(result.code, result.message);
   *   else console.log(result.vector.length);
   * }
   * ```
   */
  embedMany(texts: readonly string[], options?: EmbedManyOptions): Promise<EmbeddingBatch>;
  /**
   * Embeds a long text piece by piece: cut at paragraphs and sentences, at the same places after an edit, and each piece
   * cached by itself. Without their overlap the pieces are the text; white space that would be a piece by itself is left out.
   * @throws {EmbedQLError} like `embed`, where one of the pieces fails
   *
   * @example
   * ```ts
   * const chunks = await embedder.embedChunks(article, { maxTokens: 200 });
   * for (const { start, end, embedding } of chunks) await save(start, end, embedding.vector);
   * ```
   */
  embedChunks(text: string, options?: EmbedChunksOptions): Promise<TextChunk[]>;
  /** What has been computed, cached, paid and saved so far. */
  metrics(): EmbedderMetrics;
  /**
   * What was asked for, paid and saved, by day and model: over restarts where there is a `ledgerDir`, else since this
   * embedder was made.
   * @throws {EmbedQLError} rejects with `BAD_USER_INPUT` for days that are none
   *
   * @example
   * ```ts
   * const rows = await embedder.spend({ from: '2026-10-01', to: '2026-10-31', groupBy: ['model'] });
   * ```
   */
  spend(options: SpendOptions): Promise<SpendRow[]>;
  /** The models, in the order in which they were given. */
  models(): ModelInfo[];
  /**
   * Waits for the calls that are under way, then lets go of models and caches. Calls that come later are rejected. May
   * be called more than once.
   */
  close(): Promise<void>;
}
