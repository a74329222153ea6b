import type { IncomingMessage, ServerResponse } from 'node:http';
import { EmbedQLError } from '../core/errors.ts';

/**
 * Counts the bytes that the server holds for its clients: bodies that have been read, and answers that have not been
 * taken. A flood of large bodies, or of clients who do not read, ends in refusals and not out of memory.
 */
export class Buffers {
  readonly #limit: number;
  #bytes = 0;

  /** @param limit in bytes */
  constructor(limit: number) {
    this.#limit = limit;
  }

  get full(): boolean {
    return this.#bytes >= this.#limit;
  }

  /** What is held for one request; let go of when its response is closed. */
  forRequest(response: ServerResponse): RequestBuffer {
    let held = 0;
    response.once('close', () => {
      this.#bytes -= held;
      held = 0;
    });
    const hold = (bytes: number) => {
      if (response.closed) return;
      held += bytes;
      this.#bytes += bytes;
    };
    return {
      take: (bytes) => {
        if (this.#bytes + bytes > this.#limit) throw tooMuchBuffered;
        hold(bytes);
      },
      answered: () => hold(response.writableLength),
    };
  }
}

export interface RequestBuffer {
  /** @throws EmbedQLError OVERLOADED where there is no room */
  take(bytes: number): void;
  /** The answer has been written; what the client has not taken yet is held. */
  answered(): void;
}

export const tooMuchBuffered = new EmbedQLError(
  'OVERLOADED',
  'The server holds as many bytes as it may for clients (EMBEDQL_MAX_BUFFERED_MB); try again in a moment.',
  { retryable: true, retryAfterMs: 1_000 },
);

/** The client has gone before all of its body was here; nobody is left to be told. */
export class BrokenOff extends Error {}

/** A body that is larger than allowed. The rest of it has not been read. */
export class BodyTooLarge extends EmbedQLError {
  constructor() {
    super('BAD_USER_INPUT', 'The body is larger than EMBEDQL_MAX_BODY_BYTES.');
  }
}

/**
 * Reads a body of at most `limit` bytes.
 * @throws BodyTooLarge as soon as that is known, EmbedQLError OVERLOADED where there is no room for it
 */
export async function readBody(
  request: IncomingMessage,
  limit: number,
  buffer: RequestBuffer,
): Promise<Buffer> {
  if (Number(request.headers['content-length'] ?? 0) > limit) throw new BodyTooLarge();
  const chunks: Buffer[] = [];
  let bytes = 0;
  // Events and not `for await`, which would cost every small body an iterator and some turns.
  await new Promise<void>((resolve, reject) => {
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      try {
        if (bytes > limit) throw new BodyTooLarge();
        buffer.take(chunk.length);
        chunks.push(chunk);
      } catch (error) {
        request.pause();
        reject(error);
      }
    });
    request.once('end', resolve);
    request.once('error', () => reject(new BrokenOff()));
    request.once('close', () => {
      if (!request.complete) reject(new BrokenOff());
    });
  });
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
}
