import { EmbedQLError } from '../core/errors.ts';
import type { Log } from '../core/surroundings.ts';

/** What was kept is gone, or nobody here can read it: trying again does not bring it back. */
export class LostError extends EmbedQLError {}

/** Bytes that the store no longer has. */
export function bytesGone(): LostError {
  return new LostError(
    'BAD_USER_INPUT',
    'What was kept of this job or file is gone from the store: somebody has deleted it. Send it again.',
  );
}

/** Bytes that were encrypted with another secret. */
export function bytesUnreadable(): LostError {
  return new LostError(
    'BAD_USER_INPUT',
    'What was kept of this job or file was encrypted with another secret, or is damaged: restore the former jobSecret, and send it again.',
    { hint: 'jobSecret' },
  );
}

/** Tells clients of a store that fails: that is no fault of the server's, and passes. */
export class StoreErrors {
  readonly #log: Log;

  constructor(log: Log) {
    this.#log = log;
  }

  /** @throws (rejects) EmbedQLError, or what `isTold` is */
  async tell<Result>(work: () => Promise<Result>): Promise<Result> {
    try {
      return await work();
    } catch (error) {
      throw this.told(error);
    }
  }

  /** The same for bytes that are read one piece after another. */
  async *tellStream(bytes: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void, void> {
    try {
      yield* bytes;
    } catch (error) {
      throw this.told(error);
    }
  }

  /** What a client is told of an error of the store's. */
  told(error: unknown): EmbedQLError {
    if (error instanceof EmbedQLError) return error;
    this.#log.error({ err: error }, 'Jobs cannot be read or written; check EMBEDQL_CACHE_DIR, or Redis');
    return new EmbedQLError('OVERLOADED', 'This server cannot keep jobs at the moment; try again later.', {
      retryAfterMs: 1_000,
      cause: error,
    });
  }
}
