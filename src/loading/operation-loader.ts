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

  /**
   * Begins a run of fields with all that they will ask for; errors are left to those who wait. What an earlier
   * run got is forgotten: between the two something with effects has run, so the same text is asked for anew.
   */
  beginRun(requests: readonly EmbedRequest[]): void {
    this.#loader.clearAll();
    this.#charged.clear();
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
