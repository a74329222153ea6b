import DataLoader from 'dataloader';
import type { Operation } from '../embedder/batch-sender.ts';
import type { Embedder, EmbedRequest } from '../embedder/embedder.ts';
import type { Answer } from '../embedder/pipeline.ts';

/** What an operation has come to so far. */
export interface OperationFigures {
  /** Texts that were asked for, each once. */
  texts: number;
  hits: number;
  failures: number;
  /** Provider calls that its texts travelled in, alone or with those of others. */
  calls: number;
  costUsd: number;
}

/**
 * Gathers the texts of one operation: what is asked for in the same tick goes to the embedder together, and
 * the same text asked for twice is asked for once.
 */
export class OperationLoader {
  readonly #loader: DataLoader<EmbedRequest, Answer, string>;
  readonly #charged = new Set<string>();
  readonly #calls = new Set<object>();
  #texts = 0;
  #hits = 0;
  #failures = 0;
  #costUsd = 0;

  /** @param operation whose texts these are */
  constructor(embedder: Embedder, operation: Operation) {
    this.#loader = new DataLoader<EmbedRequest, Answer, string>(
      (requests) => this.#embed(requests, embedder, operation),
      { cacheKeyFn: sameness },
    );
  }

  get figures(): OperationFigures {
    return {
      texts: this.#texts,
      hits: this.#hits,
      failures: this.#failures,
      calls: this.#calls.size,
      costUsd: this.#costUsd,
    };
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
    this.#texts += answers.length;
    for (const answer of answers) {
      if (answer instanceof Error) this.#failures += 1;
      else if (answer.source !== 'provider') this.#hits += 1;
      else {
        this.#costUsd += answer.costUsd;
        if (answer.call) this.#calls.add(answer.call);
      }
    }
    return answers;
  }
}

/** Requests with the same key get the same answer. */
function sameness({ model, kind, text, useCache, truncate, maxBatchSize }: EmbedRequest): string {
  return `${model.spec.name}\n${kind}${useCache ? 'c' : ''}${truncate ? 't' : ''}${maxBatchSize ?? ''}\n${text}`;
}
