import DataLoader from 'dataloader';
import type { Operation } from '../embedder/batch-sender.ts';
import type { Embedder, EmbedRequest } from '../embedder/embedder.ts';
import type { Answer } from '../embedder/pipeline.ts';
import { FiguresTally, type OperationFigures } from './operation-figures.ts';

/**
 * Gathers the texts of one operation: what is asked for in the same tick goes to the embedder together, and
 * the same text asked for twice is asked for once.
 */
export class OperationLoader {
  readonly #loader: DataLoader<EmbedRequest, Answer, string>;
  readonly #charged = new Set<string>();
  readonly #tally = new FiguresTally();

  /** @param operation whose texts these are */
  constructor(embedder: Embedder, operation: Operation) {
    this.#loader = new DataLoader<EmbedRequest, Answer, string>(
      (requests) => this.#embed(requests, embedder, operation),
      { cacheKeyFn: sameness },
    );
  }

  /** What it has come to so far; a text that was asked for twice counts once. */
  get figures(): OperationFigures {
    return this.#tally.figures;
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

  async #embed(requests: readonly EmbedRequest[], embedder: Embedder, operation: Operation) {
    const answers = await embedder.embedMany(requests, operation);
    this.#tally.add(answers);
    return answers;
  }
}

/** Requests with the same key get the same answer. */
function sameness({ model, kind, text, useCache, truncate, maxBatchSize }: EmbedRequest): string {
  return `${model.spec.name}\n${kind}${useCache ? 'c' : ''}${truncate ? 't' : ''}${maxBatchSize ?? ''}\n${text}`;
}
