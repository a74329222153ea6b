import type { IncomingMessage, ServerResponse } from 'node:http';
import { badUserInput } from '../../core/errors.ts';
import { HttpError } from '../../http/respond.ts';
import { writeInTime } from '../../http/slow-clients.ts';

/** Bytes that are made while they are sent: how many there will be is not known. */
export interface StreamedContent {
  readonly name: string;
  stream(): AsyncGenerator<Buffer, void, void>;
}

/** Bytes that may be read from any place. */
export interface StoredContent {
  readonly name: string;
  /** Bytes that are there. */
  readonly bytes: number;
  /** Whether that is all there will be. */
  readonly isComplete: boolean;
  read(from: number, to: number): AsyncGenerator<Buffer, void, void>;
}

export type Content = StoredContent | StreamedContent;

/**
 * Sends content, or the range of it that was asked for (RFC 9110, 14). Of what still grows, all that is there: whoever comes
 * back asks for the rest with `Range: bytes=<what they have>-`.
 * @throws HttpError 416
 */
export async function sendContent(
  request: IncomingMessage,
  response: ServerResponse,
  content: Content,
  transferTimeoutMs: number,
): Promise<void> {
  const disposition = `attachment; filename="${content.name.replace(/[^\w.-]/g, '_')}"`;
  if ('stream' in content) {
    response.writeHead(200, { 'content-type': jsonl, 'content-disposition': disposition });
    if (request.method !== 'HEAD') await sendPieces(response, content.stream(), transferTimeoutMs);
    response.end();
    return;
  }
  const { bytes, isComplete, read } = content;
  const range = readRange(request.headers.range, bytes);
  const total = isComplete ? String(bytes) : '*';
  response.setHeader('accept-ranges', 'bytes');
  response.setHeader('x-embedql-complete', String(isComplete));
  // What is there so far must not be taken for all there is.
  response.setHeader('cache-control', 'no-store');
  if (range === 'outside') {
    response.setHeader('content-range', `bytes */${bytes}`);
    if (!isComplete) response.setHeader('retry-after', '1');
    throw new HttpError(416, badUserInput(`There are ${bytes} bytes${isComplete ? '' : ' so far'}.`));
  }
  const { from, to } = range ?? { from: 0, to: bytes };
  response.writeHead(range ? 206 : 200, {
    'content-type': jsonl,
    'content-disposition': disposition,
    'content-length': to - from,
    ...(range ? { 'content-range': `bytes ${from}-${to - 1}/${total}` } : {}),
  });
  if (request.method !== 'HEAD') await sendPieces(response, read(from, to), transferTimeoutMs);
  response.end();
}

const jsonl = 'application/jsonl; charset=utf-8';

async function sendPieces(
  response: ServerResponse,
  pieces: AsyncGenerator<Buffer, void, void>,
  transferTimeoutMs: number,
): Promise<void> {
  for await (const piece of pieces) {
    if (response.closed) return;
    await writeInTime(response, piece, transferTimeoutMs);
  }
}

/** @returns undefined where all is asked for: by no header, or by one that may be passed over */
function readRange(
  header: string | undefined,
  bytes: number,
): { from: number; to: number } | 'outside' | undefined {
  const [whole, first = '', last = ''] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header?.trim() ?? '') ?? [];
  if (whole === undefined || (first === '' && last === '')) return undefined;
  if (first === '') {
    const from = Math.max(0, bytes - Number(last));
    return from < bytes ? { from, to: bytes } : 'outside';
  }
  const from = Number(first);
  if (last !== '' && Number(last) < from) return undefined;
  return from < bytes ? { from, to: Math.min(bytes, last === '' ? bytes : Number(last) + 1) } : 'outside';
}
