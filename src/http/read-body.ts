import type { IncomingMessage } from 'node:http';

/** A body that is larger than allowed. The rest of it has not been read. */
export class BodyTooLarge extends Error {}

/** Reads a body of at most `limit` bytes. @throws BodyTooLarge as soon as that is known. */
export async function readBody(request: IncomingMessage, limit: number): Promise<Buffer> {
  if (Number(request.headers['content-length'] ?? 0) > limit) throw new BodyTooLarge();
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > limit) throw new BodyTooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
