import type { IncomingMessage } from 'node:http';
import { EmbedQLError } from '../core/errors.ts';
import type { RequestBuffer } from './memory.ts';

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
