/**
 * A client for any JavaScript runtime with `fetch`, without dependencies: texts in, vectors out, in one operation.
 *
 * ```ts
 * import { createClient } from 'embedql/client';
 *
 * const embedql = createClient('http://127.0.0.1:4000/graphql');
 * const [cat, feline] = await embedql.embedMany(['cat', 'feline']);
 * ```
 */
export interface ClientOptions {
  /** One of EMBEDQL_API_KEYS, where the server has any. */
  apiKey?: string;
  headers?: Record<string, string>;
  /** Default: the global `fetch`. */
  fetch?: typeof fetch;
}

export interface EmbedOptions {
  /** Default: the server's default model. */
  model?: string;
  /** Documents to be found, or queries to find with. Default: `document`. */
  kind?: 'document' | 'query';
  /** A shorter vector, for models that can. */
  dimensions?: number;
  useCache?: boolean;
  /** False refuses texts that are too long instead of cutting them. */
  truncate?: boolean;
  /** `batch`: one `embedBatch` field. `aliases`: a field for each text; queries always are. Default: `batch`. */
  shape?: 'batch' | 'aliases';
  signal?: AbortSignal;
}

/** What the server said of one text, or of the whole operation. */
export class EmbedError extends Error {
  override readonly name = 'EmbedError';
  /** `extensions.code`, such as `TEXT_TOO_LONG`; `NETWORK` where there was no GraphQL answer. */
  readonly code: string;
  readonly retryable: boolean;
  readonly retryAfterMs: number | undefined;

  constructor(message: string, code: string, retryable: boolean, retryAfterMs?: number) {
    super(message);
    this.code = code;
    this.retryable = retryable;
    this.retryAfterMs = retryAfterMs;
  }
}

/** Some texts have no vector. `results` has the others, so nothing that was paid for is lost. */
export class EmbedManyError extends Error {
  override readonly name = 'EmbedManyError';
  /** In the order of the texts. */
  readonly results: ReadonlyArray<Float32Array | EmbedError>;

  constructor(results: ReadonlyArray<Float32Array | EmbedError>) {
    const failed = results.filter((result) => result instanceof EmbedError);
    super(`${failed.length} of ${results.length} texts have no embedding; the first: ${failed[0]?.message}`);
    this.results = results;
  }
}

export interface Client {
  /** Vectors in the order of `texts`. @throws EmbedManyError where a text failed, EmbedError where all did at once. */
  embedMany(texts: readonly string[], options?: EmbedOptions): Promise<Float32Array[]>;
  /** The same, with an error in the place of a text that failed. @throws EmbedError where all did at once. */
  embedManySettled(
    texts: readonly string[],
    options?: EmbedOptions,
  ): Promise<Array<Float32Array | EmbedError>>;
}

interface RawError {
  message: string;
  path?: Array<string | number>;
  extensions?: { code?: string; retryable?: boolean; retryAfterMs?: number };
}

interface Answer {
  data?: Record<string, unknown> | null;
  errors?: RawError[];
}

export function createClient(url: string, options: ClientOptions = {}): Client {
  const { apiKey, headers, fetch: send = fetch } = options;

  async function run(query: string, variables: object, signal?: AbortSignal): Promise<Answer> {
    let answer: Answer;
    try {
      const response = await send(url, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          accept: 'application/json',
          ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
          ...headers,
        },
        body: JSON.stringify({ query, variables }),
        ...(signal ? { signal } : {}),
      });
      answer = (await response.json()) as Answer;
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new EmbedError(`${url} gives no GraphQL answer`, 'NETWORK', true);
    }
    const [first] = answer.errors ?? [];
    if (!answer.data && first) throw toError(first);
    return answer;
  }

  const client: Client = {
    async embedMany(texts, embedOptions) {
      const results = await client.embedManySettled(texts, embedOptions);
      if (results.some((result) => result instanceof EmbedError)) throw new EmbedManyError(results);
      return results as Float32Array[];
    },
    async embedManySettled(texts, { kind = 'document', shape = 'batch', signal, ...rest } = {}) {
      if (texts.length === 0) return [];
      if (kind === 'document' && shape === 'batch')
        return readBatch(await run(batchQuery, { texts, ...rest }, signal));
      const { query, variables } = aliases(texts, kind);
      return readAliases(await run(query, { ...variables, ...rest }, signal), texts.length);
    },
  };
  return client;
}

const optionDeclarations = '$model: String, $dimensions: Int, $useCache: Boolean, $truncate: Boolean';
const optionArguments = 'model: $model, dimensions: $dimensions, useCache: $useCache, truncate: $truncate';

const batchQuery = `mutation EmbedMany($texts: [String!]!, ${optionDeclarations}) {
  batch: embedBatch(texts: $texts, ${optionArguments}) {
    embeddingsBase64
    failures { index code message retryable retryAfterMs }
  }
}`;

/** A field for each text; the texts travel as variables, so nothing has to be escaped. */
function aliases(texts: readonly string[], kind: 'document' | 'query') {
  const [field, argument] = kind === 'query' ? ['embedQuery', 'query'] : ['embed', 'text'];
  const declarations = texts.map((_, i) => `$t${i}: String!`).join(', ');
  const fields = texts.map(
    (_, i) => `t${i}: ${field}(${argument}: $t${i}, ${optionArguments}) { embeddingBase64 }`,
  );
  return {
    query: `mutation EmbedMany(${declarations}, ${optionDeclarations}) {\n  ${fields.join('\n  ')}\n}`,
    variables: Object.fromEntries(texts.map((text, i) => [`t${i}`, text])),
  };
}

function readBatch({ data, errors }: Answer): Array<Float32Array | EmbedError> {
  const batch = data?.['batch'] as
    | {
        embeddingsBase64: Array<string | null>;
        failures: Array<RawError['extensions'] & { index: number; message: string }>;
      }
    | null
    | undefined;
  if (!batch) throw toError(errors?.[0]);
  const failures = new Map(batch.failures.map((failure) => [failure.index, failure]));
  return batch.embeddingsBase64.map((base64, index) => {
    if (base64 !== null) return decodeBase64(base64);
    const { message = 'no embedding', ...extensions } = failures.get(index) ?? {};
    return toError({ message, extensions });
  });
}

function readAliases({ data, errors = [] }: Answer, count: number): Array<Float32Array | EmbedError> {
  return Array.from({ length: count }, (_, i) => {
    const embedding = data?.[`t${i}`] as { embeddingBase64: string } | null | undefined;
    if (embedding) return decodeBase64(embedding.embeddingBase64);
    return toError(errors.find(({ path }) => path?.[0] === `t${i}`));
  });
}

function toError(
  { message, extensions = {} }: RawError = { message: 'The answer is not complete' },
): EmbedError {
  const { code = 'INTERNAL_SERVER_ERROR', retryable = false, retryAfterMs } = extensions;
  return new EmbedError(message, code, retryable, retryAfterMs ?? undefined);
}

/** Little-endian float32 in base64, as `embeddingBase64` has it. */
export function decodeBase64(base64: string): Float32Array {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  return Float32Array.from({ length: bytes.length / 4 }, (_, i) => view.getFloat32(4 * i, true));
}
