import { timedOut, withTimeout } from '../wait.ts';
import type { RedisLink } from './connect.ts';

/** Milliseconds that a request may wait for a document. Who gets none sends it again. */
export const documentWaitMs = 30;

/** Seconds that a document is kept after it was last sent. */
const keptSeconds = 86_400;

/**
 * Documents of persisted queries, which replicas share. A Redis that is away, slow or wrong has none.
 * @param isUp whether Redis is asked at the moment
 */
export function redisDocuments(link: Pick<RedisLink, 'client'>, isUp: () => boolean) {
  const keyOf = (hash: string) => `{embedql}:apq:${hash}`;
  return {
    async get(hash: string): Promise<string | undefined> {
      if (!isUp()) return undefined;
      try {
        const document = await withTimeout(documentWaitMs, link.client.get(keyOf(hash)));
        return document === timedOut || document === null ? undefined : document;
      } catch {
        return undefined;
      }
    },
    set(hash: string, document: string): void {
      if (isUp()) link.client.set(keyOf(hash), document, 'EX', keptSeconds).catch(() => {});
    },
  };
}
