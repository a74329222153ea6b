import type { Plugin } from 'graphql-yoga';
import { type DocumentLimits, parseWithin } from './document-limits.ts';

/** Parses every document within limits. One that was parsed before comes out of the document cache. */
export function useDocumentLimits(limits: DocumentLimits): Plugin {
  return {
    onParse({ setParseFn }) {
      setParseFn((source, options) => parseWithin(limits, source, options));
    },
  };
}
