import { embedChunks } from './embed-chunks.ts';
import { embedMany } from './embed-many.ts';
import { embedStream } from './embed-stream.ts';
import { EmbedError, EmbedManyError } from './errors.ts';
import { Session } from './session.ts';
import { createTransport } from './transport.ts';
import type {
  ClientOptions,
  EmbedChunksOptions,
  Embedding,
  EmbedManyOptions,
  EmbedManyResult,
  EmbedOptions,
  StreamedResult,
  TextChunk,
  VectorForm,
  VectorOf,
} from './types.ts';
import { checkUrl } from './url.ts';

/**
 * Texts in, vectors out. Errors that may pass are tried again until `timeoutMs` is over, those of single texts with
 * these texts alone; what is not `retryable` never is.
 *
 * @example
 * ```ts
 * const search = async (client: Client, query: string) => (await client.embedQuery(query)).vector;
 * ```
 */
export interface Client {
  /**
   * One document, something to be found.
   * @throws EmbedError
   * @example
   * ```ts
   * const { vector, costUsd } = await client.embed('The cat purrs.');
   * ```
   */
  embed<Form extends VectorForm = 'float32'>(
    text: string,
    options?: EmbedOptions<Form>,
  ): Promise<Embedding<Form>>;
  /**
   * One query, something to find with.
   * @throws EmbedError
   * @example
   * ```ts
   * const { vector } = await client.embedQuery('What purrs?');
   * ```
   */
  embedQuery<Form extends VectorForm = 'float32'>(
    text: string,
    options?: EmbedOptions<Form>,
  ): Promise<Embedding<Form>>;
  /**
   * Any number of texts, in as many requests as the server requires. A text that fails has its error in its place.
   * @throws EmbedError where no request was answered; the signal's reason where it aborts
   * @example
   * ```ts
   * const { results, costUsd, cachedCount } = await client.embedMany(texts);
   * ```
   */
  embedMany<Form extends VectorForm = 'float32'>(
    texts: readonly string[],
    options?: EmbedManyOptions<Form>,
  ): Promise<EmbedManyResult<Form>>;
  /**
   * The same, for those who need all vectors or none.
   * @throws EmbedManyError where a text failed: it has the results of the others; EmbedError where all did at once
   * @example
   * ```ts
   * const [cat, feline] = await client.embedVectors(['cat', 'feline']);
   * ```
   */
  embedVectors<Form extends VectorForm = 'float32'>(
    texts: readonly string[],
    options?: EmbedManyOptions<Form>,
  ): Promise<Array<VectorOf<Form>>>;
  /**
   * Documents, each as soon as it is ready, in any order. Leave the loop and the server stops computing.
   * @throws EmbedError where the texts that are left cannot be had; the signal's reason where it aborts
   * @example
   * ```ts
   * for await (const { index, result } of client.embedStream(texts)) {
   *   if (result instanceof EmbedError) console.error(texts[index], result.message);
   *   else await save(index, result.vector);
   * }
   * ```
   */
  embedStream<Form extends VectorForm = 'float32'>(
    texts: readonly string[],
    options?: EmbedOptions<Form>,
  ): AsyncGenerator<StreamedResult<Form>, void, undefined>;
  /**
   * A long text piece by piece, in one request: cut at paragraphs and sentences, at the same places after an edit, and each
   * piece cached by itself. Without their overlap the pieces are the text; white space that would be a piece by itself is left out.
   * @throws EmbedError where one of the pieces fails, too; the signal's reason where it aborts
   * @example
   * ```ts
   * const chunks = await client.embedChunks(article, { maxTokens: 200, form: 'int8' });
   * ```
   */
  embedChunks<Form extends VectorForm = 'float32'>(
    text: string,
    options?: EmbedChunksOptions<Form>,
  ): Promise<Array<TextChunk<Form>>>;
}

/**
 * A client of the EmbedQL server at `url`, for any JavaScript runtime with `fetch`. It keeps no connection open and
 * needs no closing.
 *
 * @param url the GraphQL address, with its path; in a browser one of the page's own server may begin with `/`
 * @throws EmbedError BAD_URL where the URL cannot be asked; the message says what to write
 * @example
 * ```ts
 * import { createClient } from '@embedql/client';
 *
 * const client = createClient('http://127.0.0.1:4000/graphql');
 * const { results, costUsd } = await client.embedMany(['cat', 'feline']);
 * ```
 */
export function createClient(url: string | { readonly href: string }, options: ClientOptions = {}): Client {
  const address = checkUrl(typeof url === 'object' && url !== null ? url.href : url);
  const { concurrency = 4, timeoutMs } = options;
  if (!(concurrency >= 1)) throw new RangeError(`concurrency must be 1 or more, not ${concurrency}`);
  if (timeoutMs !== undefined && !(timeoutMs > 0))
    throw new RangeError(`timeoutMs must be more than 0, not ${timeoutMs}`);
  const session = new Session(createTransport(address, options), Math.floor(concurrency), timeoutMs);

  // What comes has the form that was asked for; here it is any.
  async function one(text: string, options: EmbedManyOptions): Promise<Embedding<VectorForm>> {
    const [result] = (await embedMany(session, [text], options)).results;
    if (!result || result instanceof EmbedError) throw result;
    return result;
  }

  const client: AnyFormClient = {
    embed: (text, options) => one(text, { ...options, kind: 'document' }),
    embedQuery: (text, options) => one(text, { ...options, kind: 'query' }),
    embedMany: (texts, options = {}) => embedMany(session, texts, options),
    async embedVectors(texts, options = {}) {
      const { results } = await embedMany(session, texts, options);
      return results.map((result) => {
        if (result instanceof EmbedError) throw new EmbedManyError(results);
        return result.vector;
      });
    },
    embedStream: (texts, options = {}) => embedStream(session, texts, options),
    embedChunks: (text, options = {}) => embedChunks(session, text, options),
  };
  return client as Client;
}

/** The client as it is written: whoever calls it says what form there is. */
interface AnyFormClient {
  embed(text: string, options?: EmbedOptions): Promise<Embedding<VectorForm>>;
  embedQuery(text: string, options?: EmbedOptions): Promise<Embedding<VectorForm>>;
  embedMany(texts: readonly string[], options?: EmbedManyOptions): Promise<EmbedManyResult<VectorForm>>;
  embedVectors(texts: readonly string[], options?: EmbedManyOptions): Promise<Array<VectorOf<VectorForm>>>;
  embedStream(
    texts: readonly string[],
    options?: EmbedOptions,
  ): AsyncGenerator<StreamedResult<VectorForm>, void, undefined>;
  embedChunks(text: string, options?: EmbedChunksOptions): Promise<Array<TextChunk<VectorForm>>>;
}
