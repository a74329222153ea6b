import { EmbedQLError } from '../core/errors.ts';
import type { Log } from '../core/surroundings.ts';

/** What was kept is gone, or damaged: trying again does not bring it back. */
export class LostError extends EmbedQLError {}

/** Bytes that the store no longer has. */
export function bytesGone(): LostError {
  return new LostError(
    'BAD_USER_INPUT',
    'What was kept of this job or file is gone from the store: somebody has deleted it. Send it again.',
  );
}

/** Bytes that do not decipher, though the secret is the one that jobs are taken under. */
export function bytesDamaged(): LostError {
  return new LostError(
    'BAD_USER_INPUT',
    'What was kept of this job or file is damaged, or was encrypted with a former secret. Send it again.',
  );
}

/** Bytes that another replica can read, or this one once it has the right secret: nothing is lost. */
export function otherSecret(): EmbedQLError {
  return new EmbedQLError(
    'OVERLOADED',
    'This server takes no jobs and leaves those in Redis alone: they were taken under another secret. Give every replica the same jobSecret.',
    { hint: 'jobSecret', retryAfterMs: 5_000 },
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
