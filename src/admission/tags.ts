import type { IncomingHttpHeaders } from 'node:http';

/** The header that says what an operation is booked under. */
export const tagHeader = 'x-embedql-tag';

/** Characters of a tag. */
const longestTag = 64;

/** The tag of a request with these headers; undefined where there is none. */
export function tagOf(headers: IncomingHttpHeaders): string | undefined {
  const given = headers[tagHeader];
  return typeof given === 'string' ? readTag(decode(given)) : undefined;
}

/**
 * A tag as a client gave it: cut to 64 characters, without blanks around it and without what no eye sees.
 * @returns undefined where nothing is left
 */
export function readTag(given: unknown): string | undefined {
  if (typeof given !== 'string') return undefined;
  const visible = given.slice(0, 8 * longestTag).replace(/[\p{Cc}\p{Cf}\p{Cs}]/gu, '');
  const tag = [...visible.trim()].slice(0, longestTag).join('').trim();
  return tag === '' ? undefined : tag;
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Node reads a header byte by byte, and clients send UTF-8. */
function decode(header: string): string {
  try {
    return utf8.decode(Buffer.from(header, 'latin1'));
  } catch {
    return header;
  }
}
