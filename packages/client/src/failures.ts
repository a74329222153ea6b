import { EmbedError } from './errors.ts';
import { hasPage, type ResponseLike } from './runtime.ts';
import { didYouMean, shownUrl } from './url.ts';

/** An error as a GraphQL answer has it. */
export interface RawError {
  message: string;
  extensions?: { code?: string; retryable?: boolean; retryAfterMs?: number | null | undefined } | undefined;
}

export function toEmbedError({ message, extensions = {} }: RawError): EmbedError {
  const { code = 'INTERNAL_SERVER_ERROR', retryable, retryAfterMs } = extensions;
  const details = { retryable, retryAfterMs: retryAfterMs ?? undefined };
  if (/^(Cannot query field|Unknown (type|argument)) /.test(message))
    return new EmbedError(code, `${message} This client requires a server of EmbedQL 0.2 or newer.`, details);
  return new EmbedError(code, message, details);
}

/** What an HTTP answer means for the whole request; undefined where its body has to be read to know. */
export function statusFailure(
  url: string,
  { status }: ResponseLike,
  hasKey: boolean,
): EmbedError | undefined {
  switch (status) {
    case 401:
      return new EmbedError(
        'UNAUTHENTICATED',
        hasKey
          ? `${shownUrl(url)} does not accept this key; pass one of the server's EMBEDQL_API_KEYS.`
          : `${shownUrl(url)} requires a key: createClient(url, { apiKey }).`,
      );
    case 404:
    case 405:
      return new EmbedError(
        'NOT_GRAPHQL',
        `${shownUrl(url)} does not accept GraphQL operations (HTTP ${status}); ${didYouMean(url)}`,
      );
    case 413:
      return bodyTooLarge(url);
    default:
      return undefined;
  }
}

/** One text by itself is more than the server takes. */
export function bodyTooLarge(url: string): EmbedError {
  return new EmbedError(
    'BODY_TOO_LARGE',
    `The text is larger than ${shownUrl(url)} takes; shorten it, or raise EMBEDQL_MAX_BODY_BYTES there or the proxy's limit.`,
  );
}

/** Whether half of the texts might succeed where all of them have not. */
export function isTooLarge({ code, retryable }: EmbedError): boolean {
  return !retryable && (code === 'COST_LIMIT_EXCEEDED' || code === 'BODY_TOO_LARGE');
}

/** Something answered, and it was not GraphQL. */
export function notGraphQL(
  url: string,
  { status, headers }: ResponseLike,
  body: string,
  cause?: unknown,
): EmbedError {
  const what = /^\s*</.test(body) ? 'with HTML' : 'without GraphQL';
  const answered = `${shownUrl(url)} answers ${what} (HTTP ${status})`;
  // What proxies say of a server that is not there, or not yet.
  if ([408, 429, 502, 503, 504].includes(status))
    return new EmbedError('NETWORK', `${answered}: does the proxy there reach EmbedQL?`, {
      retryable: true,
      retryAfterMs: readRetryAfter(headers),
      cause,
    });
  return new EmbedError('NOT_GRAPHQL', `${answered}; ${didYouMean(url)}`, { cause });
}

/** Nobody answered, or not to the end. */
export function networkFailure(url: string, cause: unknown): EmbedError {
  const shown = shownUrl(url);
  const code = codeOf(cause);
  const fail = (message: string, retryable: boolean) =>
    new EmbedError('NETWORK', message, { retryable, cause });
  if (code === 'ECONNREFUSED')
    return fail(`No server listens at ${shown}; start EmbedQL there, or correct the host and port.`, true);
  if (code === 'ENOTFOUND') return fail(`The host of ${shown} does not exist; correct the URL.`, false);
  if (/SSL|TLS|CERT|SELF_SIGNED|UNABLE_TO_/.test(code))
    return fail(
      `${shown} cannot be trusted or speaks no TLS (${code}); did you mean http://, or is NODE_EXTRA_CA_CERTS missing?`,
      false,
    );
  if (isWrongRequest(cause))
    return fail(`fetch refuses to send this request to ${shown}; check the port, apiKey and headers.`, false);
  const origin = hasPage()
    ? ' If it runs, this page may not use it: add its origin to EMBEDQL_CORS_ORIGINS there.'
    : '';
  return fail(
    `${shown} closed the connection before the end of its answer${code && ` (${code})`}.${origin}`,
    true,
  );
}

/** Milliseconds from now, out of the headers that say when to come back. */
export function readRetryAfter(headers: ResponseLike['headers']): number | undefined {
  const ms = headers.get('retry-after-ms');
  if (ms !== null && /^\d+$/.test(ms.trim())) return Number(ms);
  const given = headers.get('retry-after')?.trim();
  if (!given) return undefined;
  if (/^\d+$/.test(given)) return 1_000 * Number(given);
  const at = Date.parse(given);
  return Number.isNaN(at) ? undefined : Math.max(0, at - Date.now());
}

/** The system's name for what went wrong, as Node puts it on the error or on its cause. */
function codeOf(error: unknown): string {
  for (let at = error, depth = 0; depth < 4 && typeof at === 'object' && at !== null; depth++) {
    const { code, cause } = at as { code?: unknown; cause?: unknown };
    if (typeof code === 'string') return code;
    at = cause;
  }
  return '';
}

/** Whether `fetch` would never send it: a port that is blocked, a header with a line break. */
function isWrongRequest(error: unknown): boolean {
  const { message, cause } = error as { message?: unknown; cause?: { message?: unknown } };
  return /header|ByteString/i.test(String(message)) || cause?.message === 'bad port';
}
