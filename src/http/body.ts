import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import { badUserInput, EmbedQLError } from '../core/errors.ts';
import { ownTurn } from '../core/turns.ts';
import { hasMoreInside } from './json-size.ts';
import type { RequestBuffer } from './memory.ts';
import { HttpError } from './respond.ts';
import type { MountedRequest } from './route.ts';

/** The client has gone before all of its body was here; nobody is left to be told. */
export class BrokenOff extends Error {}

/** How a body may be packed. */
const unpackers: Readonly<Record<string, () => Readable & NodeJS.WritableStream>> = {
  gzip: createGunzip,
  'x-gzip': createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
};

/**
 * Reads a body of JSON, of at most `limit` bytes once it is unpacked. One that a parser in front of us has read is taken from
 * `request.body`: as a value, as text or as bytes.
 * @throws HttpError 400, 413 or 415, BrokenOff, EmbedQLError OVERLOADED where there is no room for it,
 *   COST_LIMIT_EXCEEDED where it would take too long to read
 */
export async function readJson(
  request: MountedRequest,
  limit: number,
  buffer: RequestBuffer,
): Promise<unknown> {
  // Some parsers put an empty object there for a body that they leave alone.
  if (!request.readableDidRead && !request.readableEnded)
    return readText(await readBody(request, limit, buffer), limit);
  const { body } = request;
  if (body === undefined) throw bodyLost();
  const bytes = sizeOf(body, request);
  if (bytes > limit) throw tooLarge();
  buffer.take(bytes);
  return isRaw(body) ? readText(body, limit) : body;
}

function isRaw(body: unknown): body is string | Uint8Array {
  return typeof body === 'string' || body instanceof Uint8Array;
}

/** Bytes of a body that has been read, unpacked. */
function sizeOf(body: unknown, { headers }: IncomingMessage): number {
  if (isRaw(body)) return Buffer.byteLength(body);
  const length = headers['content-length'];
  // Node holds a body to its length; of one that came packed, or in chunks, nobody has said how large it is.
  if (length !== undefined && headers['content-encoding'] === undefined) return Number(length);
  try {
    return Buffer.byteLength(JSON.stringify(body));
  } catch {
    throw notJson();
  }
}

/**
 * Of a body of the largest size, bytes for each list, object or member: fewer than a text has with its braces. And bytes for
 * each member of one object: 16,384 of them in 16 MiB.
 */
const bytesOfEach = 64;
const bytesOfMember = 1_024;
/** Bytes of the name of a member. */
const longestName = 1_024;
/** Characters. A shorter body is read in no time, whatever is in it. */
export const smallBody = 262_144;

function readText(body: string | Uint8Array, limit: number): unknown {
  if (body.length > smallBody) return readLargeText(body, limit);
  return parseJson(textOf(body));
}

/** Whether JSON, of at most `limit` bytes, has more inside than may be parsed. */
export function hasTooMuchInside(json: Buffer, limit: number): boolean {
  return (
    json.length > smallBody &&
    hasMoreInside(json, { inside: limit / bytesOfEach, members: limit / bytesOfMember, name: longestName })
  );
}

/** Looks at it, parses it, and lets somebody else work with it, each in a turn of its own. */
async function readLargeText(body: string | Uint8Array, limit: number): Promise<unknown> {
  await ownTurn();
  if (hasTooMuchInside(typeof body === 'string' ? Buffer.from(body) : viewOf(body), limit))
    throw tooManyInside();
  await ownTurn();
  const value = parseJson(textOf(body));
  await ownTurn();
  return value;
}

function textOf(body: string | Uint8Array): string {
  return typeof body === 'string' ? body : viewOf(body).toString();
}

function viewOf({ buffer, byteOffset, length }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, length);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text.charCodeAt(0) === 0xfeff ? text.slice(1) : text);
  } catch {
    throw notJson();
  }
}

function notJson(): HttpError {
  return new HttpError(400, badUserInput('The body is not JSON.'));
}

function tooManyInside(): EmbedQLError {
  return new EmbedQLError(
    'COST_LIMIT_EXCEEDED',
    'The body has more lists, objects or members of an object than a body may have, or a member with a name of more than ' +
      `${longestName} bytes; split it, or raise maxBodyBytes.`,
    { hint: 'maxBodyBytes' },
  );
}

function tooLarge(): HttpError {
  const message = 'The body is too large; split it, or raise maxBodyBytes.';
  return new HttpError(413, new EmbedQLError('BAD_USER_INPUT', message, { hint: 'maxBodyBytes' }));
}

function bodyLost(): HttpError {
  const message =
    'The body was read before EmbedQL and is not in request.body; mount EmbedQL first, or use a JSON body parser.';
  return new HttpError(400, badUserInput(message));
}

/**
 * Reads a body of at most `limit` bytes, and counts them as they are unpacked.
 * @throws HttpError 413 as soon as that is known, EmbedQLError OVERLOADED where there is no room for it
 */
async function readBody(request: IncomingMessage, limit: number, buffer: RequestBuffer): Promise<Buffer> {
  if (Number(request.headers['content-length'] ?? 0) > limit) throw tooLarge();
  const unpacker = unpackerOf(request);
  const source: Readable = unpacker ? request.pipe(unpacker) : request;
  const chunks: Buffer[] = [];
  let bytes = 0;
  // Events and not `for await`, which would cost every small body an iterator and some turns.
  await new Promise<void>((resolve, reject) => {
    const refuse = (error: unknown) => {
      request.unpipe();
      request.pause();
      unpacker?.destroy();
      reject(error);
    };
    source.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      try {
        if (bytes > limit) throw tooLarge();
        buffer.take(chunk.length);
        chunks.push(chunk);
      } catch (error) {
        refuse(error);
      }
    });
    source.once('end', resolve);
    unpacker?.once('error', () => refuse(notPacked(request)));
    request.once('error', () => refuse(new BrokenOff()));
    request.once('close', () => {
      if (!request.complete) refuse(new BrokenOff());
    });
  });
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
}

function unpackerOf({ headers }: IncomingMessage): ReturnType<(typeof unpackers)[string]> | undefined {
  const encoding = headers['content-encoding']?.trim().toLowerCase();
  if (encoding === undefined || encoding === '' || encoding === 'identity') return undefined;
  if (Object.hasOwn(unpackers, encoding)) return unpackers[encoding]!();
  const message =
    'The content-encoding of the body is not known here; send gzip, deflate, br, or leave it out.';
  throw new HttpError(415, badUserInput(message));
}

function notPacked({ headers }: IncomingMessage): HttpError {
  const named = headers['content-encoding']?.trim().toLowerCase();
  return new HttpError(
    400,
    badUserInput(`The body is not whole ${named}, as its content-encoding says it is.`),
  );
}

/** The rest of a body may be under way; it is not read, so the connection ends with the answer. */
export function leaveUnread(request: IncomingMessage, response: ServerResponse): void {
  if (!request.complete) response.setHeader('connection', 'close');
}
