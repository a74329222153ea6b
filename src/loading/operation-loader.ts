import DataLoader from 'dataloader';
import type { Embedder, EmbedRequest } from '../embedder/embedder.ts';
import type { Answer } from '../embedder/pipeline.ts';

/**
 * Gathers the texts of one operation: what is asked for in the same tick goes to the embedder together, and
 * the same text asked for twice is asked for once.
 */
export class OperationLoader {
  readonly #loader: DataLoader<EmbedRequest, Answer, string>;
  readonly #charged = new Set<string>();

  /** @param signal aborts when the client has gone. */
  constructor(embedder: Embedder, signal?: AbortSignal) {
    this.#loader = new DataLoader<EmbedRequest, Answer, string>(
      (requests) => embedder.embedMany(requests, signal),
      { cacheKeyFn: sameness },
    );
  }

  /** Asks for texts ahead of those who will wait for them; errors are left to them. */
  prefetch(requests: readonly EmbedRequest[]): void {
    for (const request of requests) this.#loader.load(request).catch(() => {});
  }

  /** The answer for a text; who asks first carries the cost. @throws EmbedQLError */
  async load(request: EmbedRequest): Promise<Answer> {
    const answer = await this.#loader.load(request);
    if (answer.costUsd === 0) return answer;
    const key = sameness(request);
    if (this.#charged.has(key)) return { ...answer, costUsd: 0 };
    this.#charged.add(key);
    return answer;
  }
}

/** Requests with the same key get the same answer. */
function sameness({ model, kind, text, useCache, truncate, maxBatchSize }: EmbedRequest): string {
  return `${model.spec.name}\n${kind}${useCache ? 'c' : ''}${truncate ? 't' : ''}${maxBatchSize ?? ''}\n${text}`;
}
