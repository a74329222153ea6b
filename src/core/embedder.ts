import type { CachedVector } from './cache.ts';
import type { Catalogue } from './catalogue.ts';
import { systemClock } from './clock.ts';
import { type EmbedQLError, toEmbedQLError } from './errors.ts';
import { Flights, type FlightsOptions, type Look } from './flights.ts';
import { type Asking, type Expanded, expandLongTexts } from './long-texts.ts';
import type { EmbeddingModel } from './model.ts';
import type { Answer, ModelRequest, Operation, Payer, TextRequest } from './request.ts';
import { SplitMemory } from './split-memory.ts';
import { silentLog } from './surroundings.ts';
import { noTracer } from './tracing.ts';

type FlightSettings = Omit<FlightsOptions, 'model' | 'tracer' | 'clock' | 'log' | 'cacheWaitMs'>;

export interface EmbedderOptions extends FlightSettings {
  catalogue: Catalogue;
  /** Milliseconds that an operation may wait for the cache in all. Default: 240. */
  cacheWaitMs?: number;
  /** Default: nobody follows. */
  tracer?: FlightsOptions['tracer'];
  /** Default: the real time. */
  clock?: FlightsOptions['clock'];
  /** Default: nothing is logged. */
  log?: FlightsOptions['log'];
}

/** The one place that every door leads to: texts in, vectors out. */
export class Embedder {
  readonly #flights: ReadonlyMap<EmbeddingModel, Flights>;
  readonly #splits = new SplitMemory();

  constructor({
    catalogue,
    cacheWaitMs = 240,
    tracer = noTracer,
    clock = systemClock,
    log = silentLog,
    ...options
  }: EmbedderOptions) {
    this.#flights = new Map(
      catalogue
        .all()
        .map((model) => [model, new Flights({ ...options, model, cacheWaitMs, tracer, clock, log })]),
    );
  }

  /**
   * Embeds texts for any models. Answers or errors, in the order of `requests`; one that fails does not affect the
   * others. When the operation's `signal` aborts, texts that nobody else waits for are not sent any more.
   */
  async embedMany(
    requests: readonly ModelRequest[],
    operation: Operation,
  ): Promise<Array<Answer | EmbedQLError>> {
    try {
      const drawn = operation.draw(requests);
      if (drawn) await drawn;
    } catch (error) {
      const refusal = toEmbedQLError(error);
      return requests.map(() => refusal);
    }
    if (!requests.some(({ pieces }) => pieces)) return this.#embedEach(requests, operation);
    const { requests: expanded, collect } = await this.expand(requests, operation);
    return collect(await this.#embedEach(expanded, operation));
  }

  /**
   * Splits those that are to be read in pieces, and draws what these are more than the texts; nothing is looked up or computed.
   * Never rejects.
   */
  expand(requests: readonly ModelRequest[], asking: Asking): Promise<Expanded> {
    return expandLongTexts(requests, asking, this.#splits);
  }

  async #embedEach(
    requests: readonly ModelRequest[],
    operation: Operation,
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
        const flights = this.#flights.get(model)!;
        const outcomes = await flights.embed(
          indexes.map((i) => requests[i]!),
          operation,
        );
        for (const [n, i] of indexes.entries()) answers[i] = outcomes[n]!;
      }),
    );
    return answers;
  }

  /**
   * Looks for texts of one model without asking for them: nothing is computed, claimed, paid, or counted as used.
   * @param waitMs that the cache may take @param payer whose cache it is, where each key has its own
   * @throws EmbedQLError where the model cannot be used
   */
  look(
    model: EmbeddingModel,
    requests: readonly TextRequest[],
    waitMs?: number,
    payer?: Pick<Payer, 'key'>,
  ): Promise<Look[]> {
    return this.#flights.get(model)!.look(requests, waitMs, payer);
  }

  /**
   * Takes what a batch of the provider has computed: it is cached, counted, and charged at the price of batches.
   * @param computed in the order of `requests`. @returns USD
   */
  receive(
    model: EmbeddingModel,
    requests: readonly TextRequest[],
    computed: readonly CachedVector[],
    operation: Pick<Operation, 'payer'>,
  ): Promise<number> {
    return this.#flights.get(model)!.receive(requests, computed, operation);
  }

  /**
   * Counts and charges what a batch of the provider has computed, and nobody has any more.
   * @param tokens of each text. @returns USD
   */
  charge(model: EmbeddingModel, tokens: readonly number[], operation: Pick<Operation, 'payer'>): number {
    return this.#flights.get(model)!.charge(tokens, operation);
  }

  /** Texts that are under way in any way: looked up, waiting, or being computed. */
  get underWay(): number {
    let texts = 0;
    for (const { size } of this.#flights.values()) texts += size;
    return texts;
  }

  /** Texts that wait for each model. */
  queueDepths(): Array<{ model: string; texts: number }> {
    return [...this.#flights].map(([model, { queueDepth }]) => ({
      model: model.spec.name,
      texts: queueDepth,
    }));
  }
}
