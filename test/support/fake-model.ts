import { type Clock, sleep } from '../../src/core/clock.ts';
import type { EmbedderEvents } from '../../src/core/events.ts';
import type {
  EmbedCallOptions,
  EmbeddedText,
  EmbeddingModel,
  FittedText,
  ModelSpec,
  ModelStatus,
} from '../../src/core/model.ts';

/** Everything that a model can do wrong, or slowly. Times are milliseconds of its clock. */
export interface FakeBehaviour {
  identityMs: number;
  fitMs: number;
  embedMs: number;
  /** Throws what the model is to fail with. */
  refuse(texts: readonly string[]): void;
}

export const noEvents: EmbedderEvents = {
  cacheHits: () => {},
  cacheMisses: () => {},
  joined: () => {},
  computed: () => {},
  providerCall: () => {},
};

/** A model of vectors with one number: the length of the text. A token is one character. */
export class FakeModel implements EmbeddingModel {
  readonly spec: ModelSpec;
  readonly calls: Array<{ texts: readonly string[]; options: EmbedCallOptions | undefined; at: number }> = [];
  readonly behaviour: FakeBehaviour = { identityMs: 0, fitMs: 0, embedMs: 10, refuse: () => {} };
  concurrency = 4;
  deadlineMs: number | undefined;
  distinguishesKinds = false;
  inFlight = 0;
  mostInFlight = 0;
  readonly #clock: Clock;

  constructor(clock: Clock, spec: Partial<ModelSpec> = {}) {
    this.#clock = clock;
    this.spec = {
      name: 'fake',
      provider: 'fake',
      dimension: 1,
      maxBatchSize: 100,
      maxInputTokens: 1_000,
      costPer1kTokens: 1_000,
      supportsDimensions: false,
      ...spec,
    };
  }

  /** Texts that have been sent, in order. */
  get sent(): string[] {
    return this.calls.flatMap(({ texts }) => [...texts]);
  }

  status(): ModelStatus {
    return { available: true, loaded: true };
  }

  async identity(): Promise<string> {
    if (this.behaviour.identityMs > 0) await sleep(this.#clock, this.behaviour.identityMs);
    return this.spec.name;
  }

  async fit(texts: readonly string[]): Promise<FittedText[]> {
    if (this.behaviour.fitMs > 0) await sleep(this.#clock, this.behaviour.fitMs);
    const { maxInputTokens } = this.spec;
    return texts.map((text) => ({
      text: text.slice(0, maxInputTokens),
      maxTokens: Math.min(text.length, maxInputTokens),
      truncated: text.length > maxInputTokens,
    }));
  }

  async countTokens(texts: readonly string[]): Promise<number[]> {
    return texts.map((text) => text.length);
  }

  async embed(texts: readonly string[], options?: EmbedCallOptions): Promise<EmbeddedText[]> {
    this.calls.push({ texts, options, at: this.#clock.now() });
    this.inFlight += 1;
    this.mostInFlight = Math.max(this.mostInFlight, this.inFlight);
    try {
      if (this.behaviour.embedMs > 0) await sleep(this.#clock, this.behaviour.embedMs);
      this.behaviour.refuse(texts);
      return texts.map((text) => ({ vector: new Float32Array([text.length]), tokens: text.length }));
    } finally {
      this.inFlight -= 1;
    }
  }

  async close(): Promise<void> {}
}
