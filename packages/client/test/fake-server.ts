import type { ClientOptions, FetchInit, ResponseLike } from '../src/index.ts';

/** An operation as the server sees it. */
export interface Asked {
  kind: 'batch' | 'limits' | 'stream';
  texts: string[];
  headers: Record<string, string>;
  /** On the clock of the test. */
  at: number;
}

/** What a server answers: nothing at all where it throws. */
export type Answer = { status?: number; headers?: Record<string, string>; body: unknown };

/** A `fetch` that asks a function instead of a server. */
export function fakeFetch(answer: (asked: Asked, count: number) => Answer | Promise<Answer>) {
  const asked: Asked[] = [];
  const fetch: NonNullable<ClientOptions['fetch']> = async (
    _url: string,
    init: FetchInit,
  ): Promise<ResponseLike> => {
    const { query, variables } = JSON.parse(init.body as string) as {
      query: string;
      variables: { texts?: string[] };
    };
    const kind = query.includes('embedStream') ? 'stream' : query.includes('limits') ? 'limits' : 'batch';
    const one: Asked = {
      kind,
      texts: variables.texts ?? [],
      headers: init.headers as Record<string, string>,
      at: performance.now(),
    };
    asked.push(one);
    const { signal } = init;
    const gone = new Promise<never>((_, reject) =>
      signal?.addEventListener('abort', () => reject(signal.reason)),
    );
    gone.catch(() => {});
    const { status = 200, headers = {}, body } = await Promise.race([answer(one, asked.length), gone]);
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    return new Response(text, {
      status,
      headers: { 'content-type': typeof body === 'string' ? 'text/html' : 'application/json', ...headers },
    });
  };
  return { fetch, asked };
}

/** The vector of a text: its length and the code of its first character. */
export function vectorOf(text: string): Float32Array {
  return Float32Array.of(text.length, text.charCodeAt(0));
}

export function base64Of(text: string): string {
  return Buffer.from(vectorOf(text).buffer).toString('base64');
}

/** What a server answers that can do everything, but for the failures given by text. */
export function batchOf(
  texts: readonly string[],
  failures: Record<string, { code: string; retryable: boolean; retryAfterMs?: number }> = {},
): Answer {
  const each = <T>(value: (text: string) => T) =>
    texts.map((text) => (text in failures ? null : value(text)));
  return {
    body: {
      data: {
        batch: {
          model: 'm',
          vectors: each(base64Of),
          tokens: each((text) => text.length),
          costs: each(() => 0.5),
          cached: each((text) => text.startsWith('c')),
          truncated: each(() => false),
          chunks: each(() => 1),
          failures: texts.flatMap((text, index) =>
            text in failures ? [{ index, message: `no ${index}`, ...failures[text] }] : [],
          ),
        },
      },
    },
  };
}

/** A GraphQL answer that is an error as a whole. */
export function refusal(code: string, extensions: object = {}, message = code): Answer {
  return { body: { errors: [{ message, extensions: { code, retryable: false, ...extensions } }] } };
}

/** A stream of server-sent events. */
export function events(chunks: readonly unknown[], end = 'event: complete\ndata:\n\n'): Answer {
  const body = chunks.map((data) => `event: next\ndata: ${JSON.stringify(data)}\n\n`).join('') + end;
  return { headers: { 'content-type': 'text/event-stream' }, body };
}

/** One event with the embeddings of some places of a stream. */
export function chunkOf(texts: readonly string[], places: readonly number[], failures: object[] = []) {
  const embeddings = places.map((index) => ({
    index,
    embedding: {
      model: 'm',
      vector: base64Of(texts[index]!),
      tokens: 1,
      cost: 0.5,
      cached: false,
      truncated: false,
      chunks: 1,
    },
  }));
  return { data: { stream: { embeddings, failures } } };
}
