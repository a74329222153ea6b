import type { IncomingMessage, ServerResponse } from 'node:http';

/** What a page of an allowed origin may do. */
const allowed = {
  'access-control-allow-methods': 'GET, POST, PUT, DELETE, OPTIONS',
  'access-control-max-age': '600',
};
/** What it may send where it does not ask. Clients add headers of their own, so what is asked for is allowed. */
const usualHeaders = 'authorization, content-type, x-request-id';
/** What it may read. */
const exposed =
  'x-request-id, x-embedql-figures, x-embedql-budget-left, x-embedql-truncated, retry-after, retry-after-ms, x-should-retry, ' +
  'openai-processing-ms, openai-version, x-ratelimit-limit-requests, x-ratelimit-remaining-requests, ' +
  'x-ratelimit-reset-requests';

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
    if (allowedOrigins.size > 0) response.appendHeader('vary', 'origin');
    if (origin !== undefined && allowedOrigins.has(origin)) {
      response.setHeader('access-control-allow-origin', origin);
      response.setHeader('access-control-expose-headers', exposed);
      if (method !== 'OPTIONS' || headers['access-control-request-method'] === undefined) return 'go on';
      response.appendHeader('vary', 'access-control-request-headers');
      const asked = headers['access-control-request-headers'];
      response.writeHead(204, { ...allowed, 'access-control-allow-headers': headersAskedFor(asked) }).end();
      return 'answered';
    }
    return isCrossOrigin(headers) ? 'refuse' : 'go on';
  };
}

/** The same for a connection that a page opens: a WebSocket has no preflight, and every page may try. */
export function mayConnect({ headers }: IncomingMessage, origins: readonly string[]): boolean {
  return (headers.origin !== undefined && origins.includes(headers.origin)) || !isCrossOrigin(headers);
}

/** An allowed page may send any header: each client has some of its own. What is no list of names is not repeated. */
function headersAskedFor(asked = ''): string {
  const names = asked.split(',');
  const isList =
    names.length <= 100 && names.every((name) => /^[\w!#$%&'*+.^`|~-]{1,100}$/.test(name.trim()));
  return isList ? asked : usualHeaders;
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
