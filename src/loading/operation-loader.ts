import DataLoader from 'dataloader';
import type { Operation } from '../embedder/batch-sender.ts';
import type { Embedder, EmbedRequest } from '../embedder/embedder.ts';
import type { EmbedQLError } from '../embedder/errors.ts';
import type { Answer } from '../embedder/pipeline.ts';
import { FiguresTally, type OperationFigures } from './operation-figures.ts';

type Outcome = Answer | EmbedQLError;

/**
 * Gathers the texts of one operation: what is asked for in the same tick goes to the embedder together, and
 * the same text asked for twice is asked for once.
 */
export class OperationLoader {
  readonly #loader: DataLoader<EmbedRequest, Outcome, string>;
  /** What has come back, so that a field that comes to it later need not wait for anything. */
  readonly #outcomes = new Map<string, Outcome>();
  readonly #charged = new Set<string>();
  readonly #tally = new FiguresTally();

  /** @param operation whose texts these are */
  constructor(embedder: Embedder, operation: Operation) {
    this.#loader = new DataLoader<EmbedRequest, Outcome, string>(
      (requests) => this.#embed(requests, embedder, operation),
      { cacheKeyFn: ({ sameness }) => sameness },
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
    this.#outcomes.clear();
    this.#charged.clear();
    const asked = new Set<string>();
    for (const request of requests) {
      if (asked.has(request.sameness)) continue;
      asked.add(request.sameness);
      this.#loader.load(request).catch(() => {});
    }
  }

  /**
   * The answer for a text, at once where it is here already; who asks first carries the cost.
   * @throws EmbedQLError, or rejects with it
   */
  load(request: EmbedRequest): Answer | Promise<Answer> {
    const outcome = this.#outcomes.get(request.sameness);
    if (!outcome) return this.#loader.load(request).then((answer) => this.#charge(request, answer as Answer));
    if (outcome instanceof Error) throw outcome;
    return this.#charge(request, outcome);
  }

  /** Answers or errors for many texts, in their order; one that fails costs the others nothing. */
  async loadEach(requests: readonly EmbedRequest[]): Promise<Outcome[]> {
    const waits: Array<Promise<unknown>> = [];
    for (const request of requests) {
      if (!this.#outcomes.has(request.sameness)) waits.push(this.#loader.load(request).catch(() => {}));
    }
    if (waits.length > 0) await Promise.all(waits);
    return requests.map((request) => {
      const outcome = this.#outcomes.get(request.sameness)!;
      return outcome instanceof Error ? outcome : this.#charge(request, outcome);
    });
  }

  #charge({ sameness }: EmbedRequest, answer: Answer): Answer {
    if (answer.costUsd === 0) return answer;
    if (this.#charged.has(sameness)) return { ...answer, costUsd: 0 };
    this.#charged.add(sameness);
    return answer;
  }

  async #embed(requests: readonly EmbedRequest[], embedder: Embedder, operation: Operation) {
    const outcomes = await embedder.embedMany(requests, operation);
    this.#tally.add(outcomes);
    for (const [i, { sameness }] of requests.entries()) this.#outcomes.set(sameness, outcomes[i]!);
    return outcomes;
  }
}
