import type { IncomingMessage, ServerResponse } from 'node:http';

/** What a page of an allowed origin may send and read. */
const allowed = {
  'access-control-allow-methods': 'GET, POST, OPTIONS',
  'access-control-allow-headers': 'authorization, content-type, x-request-id',
  'access-control-max-age': '600',
};
const exposed = 'x-request-id, x-embedql-figures, retry-after';

/** What to do with a request of a web page. */
export type CrossOriginVerdict = 'go on' | 'refuse' | 'answered';

/**
 * Keeps pages of other origins from spending the owner's money with their visitors' browsers (CSRF). A browser says
 * where a request comes from in `Sec-Fetch-Site`, an old one in `Origin`; what says neither is no browser (the rule of
 * Go's net/http.CrossOriginProtection). Origins that the operator allows get CORS headers; nobody else does.
 */
export function createCrossOriginCheck(origins: readonly string[]) {
  const allowedOrigins = new Set(origins);
  return ({ headers, method }: IncomingMessage, response: ServerResponse): CrossOriginVerdict => {
    const { origin } = headers;
    if (allowedOrigins.size > 0) response.setHeader('vary', 'origin');
    if (origin !== undefined && allowedOrigins.has(origin)) {
      response.setHeader('access-control-allow-origin', origin);
      response.setHeader('access-control-expose-headers', exposed);
      if (method !== 'OPTIONS' || headers['access-control-request-method'] === undefined) return 'go on';
      response.writeHead(204, allowed).end();
      return 'answered';
    }
    return isCrossOrigin(headers) ? 'refuse' : 'go on';
  };
}

function isCrossOrigin(headers: IncomingMessage['headers']): boolean {
  const site = headers['sec-fetch-site'];
  if (site !== undefined) return site !== 'same-origin' && site !== 'none';
  const { origin, host } = headers;
  return origin !== undefined && hostOf(origin) !== host;
}

function hostOf(origin: string): string | undefined {
  try {
    return new URL(origin).host;
  } catch {
    return undefined;
  }
}

/** On every answer: it is what it says it is, it is nobody else's to embed, and it tells nobody where it was. */
export function setSafeHeaders(response: ServerResponse): void {
  response.setHeader('x-content-type-options', 'nosniff');
  response.setHeader('referrer-policy', 'no-referrer');
  response.setHeader('cross-origin-resource-policy', 'same-origin');
  response.setHeader('x-frame-options', 'DENY');
}
