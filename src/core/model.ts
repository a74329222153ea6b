import type { Batches } from './batches.ts';

/** Whether a text is something to be found or something to find with; some models prefix them differently. */
export type TextKind = 'doc' | 'query';

/**
 * What is known of a model before it is opened: the same for every provider.
 *
 * @example
 * const spec: ModelSpec = {
 *   name: 'acme-embed',
 *   provider: 'acme',
 *   dimension: 768,
 *   maxBatchSize: 96,
 *   maxInputTokens: 512,
 *   costPer1kTokens: 0.0001,
 *   supportsDimensions: false,
 *   options: { baseUrl: 'https://api.acme.example' },
 * };
 */
export interface ModelSpec {
  /** The name clients ask for. */
  readonly name: string;
  /** The name of the provider that serves it. */
  readonly provider: string;
  /** The provider's own name for it, such as a deployment or a hub repository. Default: `name`. */
  readonly id?: string | undefined;
  /** Numbers in a full vector. */
  readonly dimension: number;
  /** Texts that one provider call may carry. */
  readonly maxBatchSize: number;
  /** Tokens that one text may have. */
  readonly maxInputTokens: number;
  /** Tokens that one provider call may carry. Default: no limit. */
  readonly maxBatchTokens?: number | undefined;
  /** USD for 1,000 tokens; 0 is free, null is not known. */
  readonly costPer1kTokens: number | null;
  /** The same for what is bought within a day, in the provider's batches; null is not known, undefined: it has none. */
  readonly batchCostPer1kTokens?: number | null | undefined;
  /** Whether a prefix of the vector, re-normalised, is itself a good embedding (Matryoshka). */
  readonly supportsDimensions: boolean;
  /** The sizes that its vectors may be cut to. Default: any, where it supports dimensions. */
  readonly matryoshka?: readonly number[] | undefined;
  /** Whether its own service refuses a text that is over the limit; others cut it. Default: false. */
  readonly refusesLongTexts?: boolean | undefined;
  readonly queryPrefix?: string | undefined;
  readonly documentPrefix?: string | undefined;
  /** What its tokens are counted and cut with: a file, or a name of the hub. Default: as its provider does. */
  readonly tokenizer?: string | undefined;
  /** Other names that clients may use for it. */
  readonly aliases?: readonly string[] | undefined;
  /** The places that serve it, where there are several. */
  readonly endpoints?: readonly EndpointSpec[] | undefined;
  /** What its provider needs to know besides, such as an address; nobody but the provider looks inside. */
  readonly options?: unknown;
}

/** How a model is at this moment. */
export interface ModelStatus {
  /** Whether it can be asked at all. */
  readonly available: boolean;
  /** Whether it is in memory; a remote model counts as loaded when it is available. */
  readonly loaded: boolean;
  /** What stands in the way, and what to do. */
  readonly reason?: string | undefined;
  /** The same in a few words, for a table: `needs ACME_KEY`, `weights are here`. Default: `ready`, or the reason. */
  readonly note?: string | undefined;
}

/** One of the places that serve a model, as it is at this moment. */
export interface EndpointStatus {
  readonly name: string;
  /** False while it is left alone after failures, asks for a pause, or is shut out. */
  readonly healthy: boolean;
  /** Calls to it that are in flight. */
  readonly inFlight: number;
  /** Why it is not healthy. */
  readonly reason?: string | undefined;
}

/** Another place that serves a model, which its entry lists. */
export interface EndpointSpec {
  readonly name: string;
  /** The provider's own name for the model there. Default: that of the entry. */
  readonly id?: string | undefined;
  /** How much of the work is its, in proportion to the others'. */
  readonly weight: number;
  /** As `options` of the model, for this place. */
  readonly options: unknown;
}

/** A text as it will be sent. */
export interface FittedText {
  /** The text, cut to the model's token limit where it was longer. */
  readonly text: string;
  /** The most tokens it can have; the exact number only where it had to be counted. */
  readonly maxTokens: number;
  readonly truncated: boolean;
}

/** What a provider gives for a text. */
export interface EmbeddedText {
  /** `dimension` finite numbers. */
  readonly vector: Float32Array;
  /** Tokens the provider charged for this text; over a call they add up to what it charged. */
  readonly tokens: number;
  /** Whether the provider did not say, and they are an estimate. Default: false. */
  readonly tokensEstimated?: boolean | undefined;
}

/** How one call is to be made. */
export interface EmbedCallOptions {
  /** False gives up at the first failure of the server (ServerFailedError). Default: true. */
  retryServerFailures?: boolean;
  /** What the texts of the call are; all the same, where the model distinguishes kinds. Default: `doc`. */
  kind?: TextKind;
  /** The most tokens that the texts can have together, for sharing calls out. Default: not known. */
  maxTokens?: number;
}

/**
 * One model, dependable: all that the core knows of providers. Its calls have been retried where that helps.
 *
 * @example
 * await model.identity();
 * const fitted = await model.fit(['A cat purrs.']);
 * const [{ vector, tokens }] = await model.embed(fitted.map(({ text }) => text));
 */
export interface EmbeddingModel {
  readonly spec: ModelSpec;
  /** Provider calls that may be in flight at the same time. */
  readonly concurrency: number;
  /**
   * Whether it computes on this machine: texts that can wait are then sent a few at a time, while nothing else is asked for.
   * Default: false.
   */
  readonly sharesMachine?: boolean | undefined;
  /** The longest that an operation may wait for this model, in milliseconds. Default: no limit. */
  readonly deadlineMs?: number | undefined;
  /**
   * Whether it embeds queries differently from documents in other ways than by prefixes: then each of its calls says which
   * they are. Default: false.
   */
  readonly distinguishesKinds?: boolean | undefined;
  status(): ModelStatus;
  /** The places that serve it. Left out by a model on this machine. */
  endpoints?(): EndpointStatus[];
  /**
   * What names the weights in the cache: two that give different vectors must never say the same.
   * May provision what it needs to know it. @throws EmbedQLError when the model cannot be used.
   */
  identity(): Promise<string>;
  /** Cuts texts to the token limit. Same length and order as `texts`. */
  fit(texts: readonly string[]): Promise<FittedText[]>;
  /**
   * Tokens of each text, or the most it can have where the model cannot count.
   * @param atMost counting a text may stop there, and then gives it or more
   */
  countTokens(texts: readonly string[], atMost?: number): Promise<number[]>;
  /**
   * One provider call, retries included: vectors in the order of `texts`, complete and checked.
   * @throws InputRefusedError when a text is at fault, EmbedQLError otherwise.
   */
  embed(texts: readonly string[], options?: EmbedCallOptions): Promise<EmbeddedText[]>;
  /** What its provider computes within a day, for less. Default: there is nothing like that. */
  readonly batches?: Batches | undefined;
  close(): Promise<void>;
}
