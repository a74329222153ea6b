import type { DocumentNode } from 'graphql';
import { LRUCache } from 'lru-cache';

/** Characters of source text that are kept, and that one document may have to be kept. */
const maxCharacters = 2_000_000;
const maxDocumentCharacters = 10_000;

/**
 * Keeps parsed documents, so that a client who sends the same operation again and again has it parsed once.
 * Bounded by size: an operation with a thousand texts written into it is some megabytes once it is parsed, and
 * is never seen again.
 */
export function boundedDocumentCache() {
  const bounded = <Value extends object>() =>
    new LRUCache<string, Value>({
      maxSize: maxCharacters,
      maxEntrySize: maxDocumentCharacters,
      sizeCalculation: (_value, source) => source.length + 1,
    });
  return { documentCache: bounded<DocumentNode>(), errorCache: bounded<Error>() };
}
