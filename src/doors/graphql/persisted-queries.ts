import { createHash } from 'node:crypto';
import type { ExecutionResult } from 'graphql';
import { GraphQLError } from 'graphql';
import type { GraphQLParams } from 'graphql-yoga';
import { LRUCache } from 'lru-cache';
import { badUserInput } from '../../core/errors.ts';

/** Where replicas find each other's documents. */
export interface SharedDocuments {
  /** The document with this hash, SHA-256 in hex; undefined where there is none, or nobody can say in time. */
  get(hash: string): Promise<string | undefined>;
  /** Keeps a document; returns at once. */
  set(hash: string, document: string): void;
}

/** Characters of the documents that are kept, and that one may have to be kept. */
const maxCharacters = 2_000_000;
const maxDocumentCharacters = 65_536;

/** What clients wait for to send the document itself. It is part of the protocol and no failure: HTTP 200. */
export const notPersisted: ExecutionResult = {
  errors: [
    new GraphQLError('PersistedQueryNotFound', {
      extensions: { code: 'PERSISTED_QUERY_NOT_FOUND', retryable: false },
    }),
  ],
};

/**
 * Automatic persisted queries, as Apollo's clients and urql send them: a hash in place of a document that was sent before.
 * A kept document is parsed and limited like one that has just come.
 */
export class PersistedQueries {
  readonly #documents = new LRUCache<string, string>({
    maxSize: maxCharacters,
    maxEntrySize: maxDocumentCharacters,
    sizeCalculation: (document, hash) => document.length + hash.length,
  });
  readonly #shared: SharedDocuments | undefined;

  constructor(shared?: SharedDocuments) {
    this.#shared = shared;
  }

  /**
   * The operation with its document, and nothing to wait for where there is no hash.
   * @returns undefined where nobody knows the hash. @throws EmbedQLError BAD_USER_INPUT
   */
  find(params: GraphQLParams): GraphQLParams | undefined | Promise<GraphQLParams | undefined> {
    const persisted = params.extensions?.['persistedQuery'];
    if (persisted === undefined || persisted === null) return params;
    const hash = readHash(persisted);
    const { query } = params;
    if (query === undefined || query === null || query === '') return this.#lookUp(hash, params);
    if (typeof query === 'string') this.#keep(hash, query);
    return params;
  }

  #lookUp(
    hash: string,
    params: GraphQLParams,
  ): GraphQLParams | undefined | Promise<GraphQLParams | undefined> {
    const known = this.#documents.get(hash);
    if (known !== undefined) return { ...params, query: known };
    return this.#shared?.get(hash).then((document) => {
      if (document === undefined || hashOf(document) !== hash) return undefined;
      this.#documents.set(hash, document);
      return { ...params, query: document };
    });
  }

  #keep(hash: string, document: string): void {
    if (this.#documents.has(hash)) {
      if (this.#documents.get(hash) === document) return;
      throw wrongHash();
    }
    if (hashOf(document) !== hash) throw wrongHash();
    this.#documents.set(hash, document);
    // A text may be written into a document, and no text leaves this process in the clear.
    if (document.length <= maxDocumentCharacters && !document.includes('"'))
      this.#shared?.set(hash, document);
  }
}

function readHash(persisted: unknown): string {
  const { version, sha256Hash } = persisted as { version?: unknown; sha256Hash?: unknown };
  if (version !== 1) throw badUserInput('extensions.persistedQuery.version must be 1.');
  if (typeof sha256Hash === 'string' && /^[0-9a-f]{64}$/i.test(sha256Hash)) return sha256Hash.toLowerCase();
  throw badUserInput('extensions.persistedQuery.sha256Hash must be the SHA-256 of the document in hex.');
}

function hashOf(document: string): string {
  return createHash('sha256').update(document).digest('hex');
}

function wrongHash() {
  return badUserInput(
    'extensions.persistedQuery.sha256Hash is not the SHA-256 of the document that came with it; hash the exact text of query.',
  );
}
