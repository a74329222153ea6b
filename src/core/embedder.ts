import type { Cache } from './cache.ts';
import type { Catalogue } from './catalogue.ts';
import type { EmbedQLError } from './errors.ts';
import type { EmbedderEvents } from './events.ts';
import type { EmbeddingModel } from './model.ts';
import { Pipeline, type PipelineOptions } from './pipeline.ts';
import type { Answer, ModelRequest, Operation } from './request.ts';

export interface EmbedderOptions extends PipelineOptions {
  catalogue: Catalogue;
  cache: Cache;
  events: EmbedderEvents;
}

/** The one place that every door leads to: texts in, vectors out. */
export class Embedder {
  readonly #pipelines: ReadonlyMap<EmbeddingModel, Pipeline>;

  constructor({ catalogue, cache, events, ...options }: EmbedderOptions) {
    this.#pipelines = new Map(
      catalogue.all().map((model) => [model, new Pipeline(model, cache, events, options)]),
    );
  }

  /**
   * Embeds texts for any models. Answers or errors, in the order of `requests`: one that fails costs the
   * others nothing. When the operation's `signal` aborts, texts that nobody else waits for are not sent any more.
   */
  async embedMany(
    requests: readonly ModelRequest[],
    operation: Operation = {},
  ): Promise<Array<Answer | EmbedQLError>> {
    const places = new Map<EmbeddingModel, number[]>();
    for (const [i, { model }] of requests.entries()) {
      const forModel = places.get(model);
      if (forModel) forModel.push(i);
      else places.set(model, [i]);
    }
    const answers: Array<Answer | EmbedQLError> = new Array(requests.length);
    await Promise.all(
      [...places].map(async ([model, indexes]) => {
        const pipeline = this.#pipelines.get(model)!;
        const outcomes = await pipeline.embed(
          indexes.map((i) => requests[i]!),
          operation,
        );
        for (const [n, i] of indexes.entries()) answers[i] = outcomes[n]!;
      }),
    );
    return answers;
  }

  /** Texts that wait for each model. */
  queueDepths(): Array<{ model: string; texts: number }> {
    return [...this.#pipelines].map(([model, { queueDepth }]) => ({
      model: model.spec.name,
      texts: queueDepth,
    }));
  }
}
