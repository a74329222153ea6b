import type { EmbedError } from './errors.ts';
import type { AbortSignalLike, FetchInit, ResponseLike } from './runtime.ts';

/**
 * How to reach the server. Everything has a default.
 *
 * @example
 * ```ts
 * const options: ClientOptions = { apiKey: process.env.EMBEDQL_KEY, timeoutMs: 20_000 };
 * ```
 */
export interface ClientOptions {
  /** One of the server's EMBEDQL_API_KEYS, where it has any. */
  apiKey?: string | undefined;
  /** More headers for every request. */
  headers?: Readonly<Record<string, string>> | undefined;
  /**
   * Milliseconds that texts may wait for their answer, tries after errors and the waits between them included. Default:
   * 60,000; while no server has answered yet, a connection that is refused is tried again for 10,000 only.
   */
  timeoutMs?: number | undefined;
  /** Requests of one call that are in flight at once. Default: 4. */
  concurrency?: number | undefined;
  /** Default: the global `fetch`. */
  fetch?(url: string, init?: FetchInit): Promise<ResponseLike>;
}

/**
 * How vectors come: as float32; as signed bytes, a quarter of the size with nearly the same cosine; or as one bit for each
 * number, 1/32 of the size, to be compared with `hamming`.
 *
 * @example
 * ```ts
 * const form: VectorForm = 'int8';
 * ```
 */
export type VectorForm = 'float32' | 'int8' | 'binary';

/**
 * What a vector of a form is.
 *
 * @example
 * ```ts
 * const bits: VectorOf<'binary'> = new Uint8Array(48);
 * ```
 */
export type VectorOf<Form extends VectorForm> = Form extends 'int8'
  ? Int8Array
  : Form extends 'binary'
    ? Uint8Array
    : Float32Array;

/**
 * What to embed with.
 *
 * @example
 * ```ts
 * const options: EmbedOptions = { model: 'text-embedding-3-large', dimensions: 256 };
 * ```
 */
export interface EmbedOptions<Form extends VectorForm = VectorForm> {
  /** The name of the model. Default: the server's default model. */
  model?: string | undefined;
  /** Numbers of a shorter vector, for models that can be shortened. */
  dimensions?: number | undefined;
  /** False neither reads the server's cache nor writes to it. Default: true. */
  useCache?: boolean | undefined;
  /** False refuses texts that are too long instead of cutting them. Default: true. */
  truncate?: boolean | undefined;
  /**
   * What becomes of a text that is too long: it is cut, refused, or read in pieces whose vectors are averaged. To search in long
   * documents, `embedChunks` is better. Default: what `truncate` says.
   */
  longText?: 'truncate' | 'refuse' | 'average' | undefined;
  /** How vectors come. Default: `float32`. */
  form?: Form | undefined;
  /** Stops the call, which then throws the signal's reason. */
  signal?: AbortSignalLike | undefined;
}

/**
 * What to embed many texts with.
 *
 * @example
 * ```ts
 * const options: EmbedManyOptions = { onProgress: ({ done, total }) => console.log(`${done} of ${total}`) };
 * ```
 */
export interface EmbedManyOptions<Form extends VectorForm = VectorForm> extends EmbedOptions<Form> {
  /** Documents to be found, or queries to find with. Default: `document`. */
  kind?: 'document' | 'query' | undefined;
  /** Called after every answer. */
  onProgress?: ((progress: Progress) => void) | undefined;
}

/**
 * How a long text is embedded piece by piece.
 *
 * @example
 * ```ts
 * const options: EmbedChunksOptions = { maxTokens: 200, overlapTokens: 20 };
 * ```
 */
export interface EmbedChunksOptions<Form extends VectorForm = VectorForm>
  extends Omit<EmbedOptions<Form>, 'truncate' | 'longText'> {
  /** Tokens of a piece at the most, with all that the model adds. Default: the model's limit. */
  maxTokens?: number | undefined;
  /** Tokens that a piece repeats from the end of the one before it, at the most. Default: 0. */
  overlapTokens?: number | undefined;
}

/**
 * How far a call of many texts is.
 *
 * @example
 * ```ts
 * const show = ({ done, total, costUsd }: Progress) => console.log(`${done}/${total}, ${costUsd} USD`);
 * ```
 */
export interface Progress {
  /** Texts that have an embedding or have failed for good. */
  readonly done: number;
  /** Of those, the ones that have failed. */
  readonly failed: number;
  readonly total: number;
  /** USD so far. */
  readonly costUsd: number;
}

/**
 * One text's vector, and what it took to get it.
 *
 * @example
 * ```ts
 * const { vector, tokens, costUsd }: Embedding = await client.embed('cat');
 * ```
 */
export interface Embedding<Form extends VectorForm = 'float32'> {
  readonly vector: VectorOf<Form>;
  /** The model that made it. */
  readonly model: string;
  /** Tokens that the provider charged for, or would have where it came out of the cache. */
  readonly tokens: number;
  /** USD that this text caused; 0 where it came out of the cache. */
  readonly costUsd: number;
  /** Whether it came out of the server's cache. */
  readonly cached: boolean;
  /** Whether the text was cut to what the model can read. */
  readonly truncated: boolean;
  /** The pieces that the text was read in: 1, or more where they were averaged. */
  readonly chunks: number;
}

/**
 * A piece of a text.
 *
 * @example
 * ```ts
 * const chunks: TextChunk[] = await client.embedChunks(article);
 * for (const { start, end, embedding } of chunks) await save(start, end, embedding.vector);
 * ```
 */
export interface TextChunk<Form extends VectorForm = 'float32'> {
  /** Exactly the text from `start` to `end`; lone surrogates are U+FFFD. */
  readonly text: string;
  /** UTF-16 positions in the text; `end` is the first that is not in it. */
  readonly start: number;
  readonly end: number;
  /** As `maxTokens` counts them. */
  readonly tokens: number;
  readonly embedding: Embedding<Form>;
}

/**
 * The embeddings of many texts, and what they took together.
 *
 * @example
 * ```ts
 * const { results, costUsd }: EmbedManyResult = await client.embedMany(texts);
 * const failed = results.filter((result) => result instanceof EmbedError);
 * ```
 */
export interface EmbedManyResult<Form extends VectorForm = 'float32'> {
  /** In the order of the texts: an embedding, or why there is none. */
  readonly results: Array<Embedding<Form> | EmbedError>;
  /** USD of all of them. */
  readonly costUsd: number;
  /** Tokens of all embeddings, cached ones included. */
  readonly tokens: number;
  /** Embeddings that came out of the server's cache. */
  readonly cachedCount: number;
}

/**
 * One result of a stream, and the place of its text.
 *
 * @example
 * ```ts
 * for await (const { index, result } of client.embedStream(texts)) {
 *   if (!(result instanceof EmbedError)) await save(texts[index], result.vector);
 * }
 * ```
 */
export interface StreamedResult<Form extends VectorForm = 'float32'> {
  /** The place of the text in `texts`, from 0. */
  readonly index: number;
  readonly result: Embedding<Form> | EmbedError;
}
