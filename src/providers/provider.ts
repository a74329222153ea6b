import type { EmbeddedText, FittedText, ModelSpec, ModelStatus } from '../core/model.ts';
import type { Log, Progress } from '../core/surroundings.ts';

/** What every provider may need to open a model. */
export interface ProviderContext {
  /** The environment, for keys and endpoints. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where local weights live. */
  readonly modelsDir: string;
  readonly log: Log;
  readonly progress: Progress;
}

/**
 * One model as its provider gives it: plain calls. Retries, time limits, the circuit breaker and accounting
 * are put around it by `reliability/`, so a provider has none of its own.
 */
export interface ProviderModel {
  readonly spec: ModelSpec;
  /** A remote model's calls are limited in time, retried and guarded by a circuit breaker. */
  readonly remote: boolean;
  status(): ModelStatus;
  /**
   * What names the weights in the cache: two that give different vectors must never say the same. May fetch
   * what it needs to know it. @throws EmbedQLError when the model cannot be used.
   */
  identity(): Promise<string>;
  /** Cuts texts to the token limit. Same length and order as `texts`. */
  fit(texts: readonly string[]): Promise<FittedText[]>;
  /** Tokens of each text. Default: what `fit` says. */
  countTokens?(texts: readonly string[]): Promise<number[]>;
  /**
   * One call: vectors in the order of `texts`, complete and checked.
   * @throws InputRefusedError when a text is at fault, EmbedQLError otherwise; a `retryable` one is tried again.
   */
  embed(texts: readonly string[], signal: AbortSignal): Promise<EmbeddedText[]>;
  close(): Promise<void>;
}

/** A kind of place that vectors come from. To add one: a file that exports this, and a line in `registry.ts`. */
export interface Provider {
  readonly name: string;
  /** Opens a model without asking anything of the network or the disk; that waits for the first use. */
  open(spec: ModelSpec, context: ProviderContext): ProviderModel;
}
