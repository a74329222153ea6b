import DataLoader from 'dataloader';
import type { Embedder } from '../../core/embedder.ts';
import type { EmbedQLError } from '../../core/errors.ts';
import type { Answer, EmbedRequest, Operation } from '../../core/request.ts';
import type { OperationRecord } from '../operation-log.ts';

type Outcome = Answer | EmbedQLError;

/**
 * Gathers the texts of one operation, and asks for the same text once. What was seen while looking ahead goes to the
 * embedder run by run; what only turns up while fields run, as on entities, is gathered by a DataLoader.
 */
export class OperationLoader {
  readonly #loader: DataLoader<EmbedRequest, Outcome, string>;
  /** What has come back, so that a field that comes to it later need not wait for anything. */
  readonly #outcomes = new Map<string, Outcome>();
  readonly #charged = new Set<string>();

  readonly #embedder: Embedder;
  readonly #operation: Operation;
  readonly #record: Pick<OperationRecord, 'answered'>;
  /** Texts that were asked for together, before their fields are reached. */
  #run: { begun: ReadonlyMap<string, EmbedRequest>; done: Promise<unknown> } = {
    begun: new Map(),
    done: Promise.resolve(),
  };

  /**
   * @param operation whose texts these are
   * @param record told of what they come to; a text that was asked for twice counts once
   */
  constructor(embedder: Embedder, operation: Operation, record: Pick<OperationRecord, 'answered'>) {
    this.#embedder = embedder;
    this.#operation = operation;
    this.#record = record;
    this.#loader = new DataLoader<EmbedRequest, Outcome, string>((requests) => this.#embed(requests), {
      cacheKeyFn: ({ dedupeKey }) => dedupeKey,
    });
  }

  /**
   * Begins a run of fields with all that they will ask for; errors are left to those who wait. What an earlier
   * run got is forgotten: between the two something with effects has run, so the same text is asked for anew.
   */
  beginRun(requests: readonly EmbedRequest[]): void {
    this.#loader.clearAll();
    this.#outcomes.clear();
    this.#charged.clear();
    const distinct = new Map(requests.map((request) => [request.dedupeKey, request]));
    this.#run = { begun: distinct, done: this.#embed([...distinct.values()]) };
  }

  /**
   * The answer for a text, at once where it is here already; who asks first carries the cost.
   * @throws EmbedQLError, or rejects with it
   */
  load(request: EmbedRequest): Answer | Promise<Answer> {
    const outcome = this.#outcomes.get(request.dedupeKey);
    if (outcome) return this.#deliver(request, outcome);
    return this.#arrival(request).then((arrived) => this.#deliver(request, arrived));
  }

  /** Answers or errors for many texts, in their order; one that fails costs the others nothing. */
  async loadEach(requests: readonly EmbedRequest[]): Promise<Outcome[]> {
    const missing = requests.filter(({ dedupeKey }) => !this.#outcomes.has(dedupeKey));
    if (missing.length > 0) await Promise.all(missing.map((request) => this.#arrival(request)));
    return requests.map((request) => {
      const outcome = this.#outcomes.get(request.dedupeKey)!;
      return outcome instanceof Error ? outcome : this.#deliver(request, outcome);
    });
  }

  /** Waits for a text that was requested, or requests it. Its cost goes to the first field that takes it, on delivery. */
  async #arrival(request: EmbedRequest): Promise<Outcome> {
    if (this.#run.begun.has(request.dedupeKey)) await this.#run.done;
    else await this.#loader.load(request).catch(() => {});
    return this.#outcomes.get(request.dedupeKey)!;
  }

  #deliver({ dedupeKey }: EmbedRequest, outcome: Outcome): Answer {
    if (outcome instanceof Error) throw outcome;
    if (outcome.costUsd === 0) return outcome;
    if (this.#charged.has(dedupeKey)) return free(outcome);
    this.#charged.add(dedupeKey);
    return outcome;
  }

  async #embed(requests: readonly EmbedRequest[]): Promise<Outcome[]> {
    const outcomes = await this.#embedder.embedMany(requests, this.#operation);
    this.#record.answered(outcomes);
    for (const [i, { dedupeKey }] of requests.entries()) this.#outcomes.set(dedupeKey, outcomes[i]!);
    return outcomes;
  }
}

/** The same for somebody who does not carry its cost. */
function free(answer: Answer): Answer {
  const { pieces } = answer;
  if (!pieces) return { ...answer, costUsd: 0 };
  return { ...answer, costUsd: 0, pieces: pieces.map((one) => ({ ...one, answer: free(one.answer) })) };
}
