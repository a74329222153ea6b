import type { DocumentNode } from 'graphql';
import { LRUCache } from 'lru-cache';

/**
 * Characters of source text whose documents are kept. Once it is parsed and validated a document takes about 150 bytes
 * for each of them.
 */
const maxCharacters = 250_000;
/** Characters that one document may have to be kept. */
const maxDocumentCharacters = 20_000;
/** Characters of source text whose syntax errors are kept: somebody may send the same mistake again and again. */
const maxWrongCharacters = 20_000;

/**
 * Keeps parsed documents, so that a client who sends the same operation again and again has it parsed once.
 * Bounded by size: an operation with a thousand texts written into it is some megabytes once it is parsed, and
 * is never seen again.
 */
export function boundedDocumentCache() {
  return {
    documentCache: bounded<DocumentNode>(maxCharacters),
    errorCache: bounded<Error>(maxWrongCharacters),
  };
}

function bounded<Value extends object>(maxSize: number) {
  return new LRUCache<string, Value>({
    maxSize,
    maxEntrySize: Math.min(maxSize, maxDocumentCharacters),
    sizeCalculation: (_value, source) => source.length + 1,
  });
}
