import type { EmbedError } from './errors.ts';
import {
  networkFailure,
  notGraphQL,
  type RawError,
  readRetryAfter,
  statusFailure,
  toEmbedError,
} from './failures.ts';
import { type AbortSignalLike, globalFetch, type ReaderLike, type ResponseLike } from './runtime.ts';
import type { ClientOptions } from './types.ts';

type Data = Record<string, unknown>;

/** Brings operations to the server. Every failure is an EmbedError, but for an abort: that throws the signal's reason. */
export interface Transport {
  readonly url: string;
  /** Whether a server has ever answered. */
  readonly reached: boolean;
  /** @returns `data`, without a null among its fields. @throws EmbedError */
  ask(query: string, variables: object, signal: AbortSignalLike): Promise<Data>;
  /** @returns the bytes of server-sent events. @throws EmbedError */
  open(query: string, variables: object, signal: AbortSignalLike): Promise<ReaderLike>;
  /** What `promise` is rejected with, as one of ours. */
  guard<T>(promise: Promise<T>, signal: AbortSignalLike): Promise<T>;
}

export function createTransport(
  url: string,
  { apiKey, headers, fetch = globalFetch }: Pick<ClientOptions, 'apiKey' | 'headers' | 'fetch'>,
): Transport {
  const sent: Record<string, string> = { 'content-type': 'application/json' };
  // An environment variable that is not set often arrives as an empty string.
  const key = apiKey?.trim();
  if (key) sent['authorization'] = `Bearer ${key}`;
  for (const [name, value] of Object.entries(headers ?? {})) sent[name.toLowerCase()] = value;
  const hasKey = 'authorization' in sent;
  let reached = false;

  async function post(
    accept: string,
    query: string,
    variables: object,
    signal: AbortSignalLike,
  ): Promise<ResponseLike> {
    const init = {
      method: 'POST',
      headers: { ...sent, accept },
      body: JSON.stringify({ query, variables }),
      signal,
    };
    const response = await guard(fetch(url, init), signal);
    reached = true;
    const failure = statusFailure(url, response, hasKey);
    if (!failure) return response;
    // The connection is of use to others only when nothing is left in it.
    await response.text().catch(() => {});
    throw failure;
  }

  async function guard<T>(promise: Promise<T>, signal: AbortSignalLike): Promise<T> {
    try {
      return await promise;
    } catch (error) {
      throw signal.aborted ? signal.reason : networkFailure(url, error);
    }
  }

  async function readWhole(response: ResponseLike, signal: AbortSignalLike): Promise<Data> {
    const body = await guard(response.text(), signal);
    let answer: unknown;
    try {
      answer = JSON.parse(body);
    } catch (error) {
      throw notGraphQL(url, response, body, error);
    }
    return dataOf(answer, readRetryAfter(response.headers)) ?? fail(notGraphQL(url, response, body));
  }

  return {
    url,
    get reached() {
      return reached;
    },
    ask: async (query, variables, signal) =>
      readWhole(await post('application/json', query, variables, signal), signal),
    async open(query, variables, signal) {
      const response = await post('text/event-stream', query, variables, signal);
      if (/^text\/event-stream/i.test(response.headers.get('content-type') ?? '') && response.body)
        return response.body.getReader();
      await readWhole(response, signal);
      throw notGraphQL(url, response, '');
    },
    guard,
  };
}

/**
 * `data` of a GraphQL answer; undefined where it is none.
 * @param retryAfterMs for errors that do not say so themselves
 * @throws EmbedError where there is no data, or not all of it
 */
export function dataOf(answer: unknown, retryAfterMs?: number): Data | undefined {
  if (typeof answer !== 'object' || answer === null) return undefined;
  const { data, errors } = answer as { data?: Data | null; errors?: RawError[] };
  if (data && !Object.values(data).includes(null)) return data;
  const first = Array.isArray(errors) ? errors[0] : undefined;
  if (!first || typeof first.message !== 'string') return undefined;
  const { extensions } = first;
  throw toEmbedError({
    message: first.message,
    extensions: { retryAfterMs, ...extensions },
  });
}

function fail(error: EmbedError): never {
  throw error;
}
