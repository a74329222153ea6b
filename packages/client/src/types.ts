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
 * What to embed with.
 *
 * @example
 * ```ts
 * const options: EmbedOptions = { model: 'text-embedding-3-large', dimensions: 256 };
 * ```
 */
export interface EmbedOptions {
  /** The name of the model. Default: the server's default model. */
  model?: string | undefined;
  /** Numbers of a shorter vector, for models that can be shortened. */
  dimensions?: number | undefined;
  /** False neither reads the server's cache nor writes to it. Default: true. */
  useCache?: boolean | undefined;
  /** False refuses texts that are too long instead of cutting them. Default: true. */
  truncate?: boolean | undefined;
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
export interface EmbedManyOptions extends EmbedOptions {
  /** Documents to be found, or queries to find with. Default: `document`. */
  kind?: 'document' | 'query' | undefined;
  /** Called after every answer. */
  onProgress?: ((progress: Progress) => void) | undefined;
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
export interface Embedding {
  readonly vector: Float32Array;
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
export interface EmbedManyResult {
  /** In the order of the texts: an embedding, or why there is none. */
  readonly results: Array<Embedding | EmbedError>;
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
export interface StreamedResult {
  /** The place of the text in `texts`, from 0. */
  readonly index: number;
  readonly result: Embedding | EmbedError;
}
