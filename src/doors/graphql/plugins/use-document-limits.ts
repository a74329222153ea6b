import type { Plugin } from 'graphql-yoga';
import type { ReadAhead } from '../read-ahead.ts';
import { type DocumentLimits, parseWithin } from './document-limits.ts';

/** Parses every document within limits. One that was parsed before comes out of the document cache. */
export function useDocumentLimits(limits: DocumentLimits, ahead: ReadAhead): Plugin<{ params: object }> {
  return {
    onParse({ context, setParseFn }) {
      const read = ahead.of(context.params);
      setParseFn((source, options) => {
        if (read?.error !== undefined) throw read.error;
        return read?.document ?? parseWithin(limits, source, options);
      });
    },
    onValidate({ context, setResult }) {
      const read = ahead.of(context.params);
      if (read) setResult(read.invalid);
    },
  };
}
