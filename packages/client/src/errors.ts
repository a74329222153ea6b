import type { Embedding } from './types.ts';

/** More of an {@link EmbedError}. */
export interface EmbedErrorDetails {
  /** Whether the same may succeed later without a change. Default: false. */
  retryable?: boolean | undefined;
  /** Milliseconds after which it makes sense to try again. */
  retryAfterMs?: number | undefined;
  /** What was caught, such as the `TypeError` of `fetch`. */
  cause?: unknown;
}

/**
 * Why one text, or all texts of a call, have no embedding. The message says what to do next.
 *
 * `code` is the server's (`BAD_USER_INPUT`, `TEXT_TOO_LONG`, `MODEL_NOT_FOUND`, `PROVIDER_NOT_CONFIGURED`,
 * `PROVIDER_ERROR`, `PROVIDER_TIMEOUT`, `RATE_LIMITED`, `OVERLOADED`, `COST_LIMIT_EXCEEDED`, `UNAUTHENTICATED`,
 * `FORBIDDEN`, `INTERNAL_SERVER_ERROR`), or one of this client's:
 * - `NETWORK`: nobody answered, or a proxy answered that nobody is behind it
 * - `TIMEOUT`: no answer within `timeoutMs`
 * - `BAD_URL`: the URL cannot be asked at all
 * - `BODY_TOO_LARGE`: a single text is larger than the server, or a proxy, takes
 * - `NOT_GRAPHQL`: what answers at the URL is no EmbedQL
 *
 * @example
 * ```ts
 * try {
 *   await client.embed(text);
 * } catch (error) {
 *   if (error instanceof EmbedError && error.code === 'TEXT_TOO_LONG') await client.embed(text.slice(0, 1_000));
 *   else throw error;
 * }
 * ```
 */
export class EmbedError extends Error {
  override readonly name = 'EmbedError';
  readonly code: string;
  /** Whether the same may succeed later without a change. The client has tried again until `timeoutMs` was over. */
  readonly retryable: boolean;
  /** Milliseconds after which it makes sense to try again, where that is known. */
  readonly retryAfterMs: number | undefined;

  constructor(
    code: string,
    message: string,
    { retryable = false, retryAfterMs, cause }: EmbedErrorDetails = {},
  ) {
    super(message, cause === undefined ? {} : { cause });
    this.code = code;
    this.retryable = retryable;
    this.retryAfterMs = retryAfterMs;
  }
}

/**
 * Some texts have no vector. `results` has the others, so that nothing that was paid for is lost.
 *
 * @example
 * ```ts
 * try {
 *   return await client.embedVectors(texts);
 * } catch (error) {
 *   if (!(error instanceof EmbedManyError)) throw error;
 *   return error.results.map((result) => (result instanceof EmbedError ? null : result.vector));
 * }
 * ```
 */
export class EmbedManyError extends Error {
  override readonly name = 'EmbedManyError';
  /** In the order of the texts. */
  readonly results: ReadonlyArray<Embedding | EmbedError>;

  constructor(results: ReadonlyArray<Embedding | EmbedError>) {
    const failed = results.filter((result) => result instanceof EmbedError);
    const [first] = failed;
    super(`${failed.length} of ${results.length} texts have no embedding; the first: ${first?.message}`, {
      cause: first,
    });
    this.results = results;
  }
}
