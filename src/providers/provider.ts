import type { Batches } from '../core/batches.ts';
import type { EmbeddedText, FittedText, ModelSpec, ModelStatus, TextKind } from '../core/model.ts';
import type { Environment, Log, Progress } from '../core/surroundings.ts';
import type { OptionReaders } from './options.ts';
import type { TokenCounter } from './tokens/counter.ts';

/**
 * What every provider may need to open a model.
 *
 * @example
 * open(spec, { env, log }) {
 *   const key = env['ACME_KEY'];
 *   log.debug({ model: spec.name }, 'opened');
 *   return new AcmeModel(spec, key);
 * }
 */
export interface ProviderContext {
  /** The environment, for keys and endpoints. */
  readonly env: Environment;
  /** Where weights live that are computed with on this machine. */
  readonly modelsDir: string;
  readonly log: Log;
  readonly progress: Progress;
  /**
   * How the model's tokens are counted, where its entry has a `tokenizer`: `fit` and `countTokens` are asked of it and not of
   * the model, which may need it to share a call's tokens out. Undefined where it has none.
   */
  readonly counter?: TokenCounter | undefined;
}

/** What a call is about. */
export interface ProviderCallOptions {
  /** What all texts of the call are. A model that does not tell documents and queries apart is always told `doc`. */
  readonly kind: TextKind;
}

/** A model as its provider gets it: with the options that the provider declares, read and checked. */
export interface ProviderSpec<Options = unknown> extends ModelSpec {
  readonly options: Options;
}

/**
 * One model as its provider gives it: plain calls. Retries, time limits, the circuit breaker and accounting
 * are put around it by `dependable/`, so a provider has none of its own. `testProvider` of `embedql/testing` checks one.
 *
 * @example
 * const model: ProviderModel = {
 *   spec,
 *   remote: true,
 *   status: () => ({ available: true, loaded: true }),
 *   identity: async () => spec.name,
 *   fit: async (texts) => texts.map((text) => ({ text, maxTokens: Buffer.byteLength(text), truncated: false })),
 *   embed: (texts, signal) => callAcme(texts, signal),
 *   close: async () => {},
 * };
 */
export interface ProviderModel {
  readonly spec: ModelSpec;
  /** A remote model's calls are limited in time, retried and guarded by a circuit breaker. */
  readonly remote: boolean;
  /**
   * Whether it embeds queries differently from documents, other than by the prefixes of its entry: then they are cached
   * apart, and every call says which of them its texts are. Default: false.
   */
  readonly distinguishesKinds?: boolean | undefined;
  /** Tokens that the service charges for each text beside its own, such as those of a prompt. Default: up to 8. */
  readonly addedTokens?: number | undefined;
  /** The most calls that it can take at the same time. Default: as many as the settings say. */
  readonly maxConcurrency?: number | undefined;
  /** Whether it can be asked, as far as is known at this moment; asks nobody. */
  status(): ModelStatus;
  /** The same for `embedql models`, which may look at the disk but not at the network. Default: `status`. */
  inspect?(): Promise<ModelStatus>;
  /**
   * What names the weights in the cache: two that give different vectors must never say the same. May fetch
   * what it needs to know it. @throws EmbedQLError when the model cannot be used.
   */
  identity(): Promise<string>;
  /** Cuts texts to the token limit. Same length and order as `texts`. */
  fit(texts: readonly string[]): Promise<FittedText[]>;
  /**
   * Tokens of each text. Default: what `fit` says.
   * @param atMost counting a text may stop there, and then gives it or more
   */
  countTokens?(texts: readonly string[], atMost?: number): Promise<number[]>;
  /**
   * One call with at most `spec.maxBatchSize` texts: vectors in the order of `texts`. Tokens that the service did not
   * tell are an estimate, marked `tokensEstimated`.
   * @param signal aborts when nobody waits any more or the time is up; a remote model gives up then
   * @param call what the texts are, for a model that `distinguishesKinds`
   * @throws InputRefusedError when a text is at fault, EmbedQLError otherwise; a `retryable` one is tried again.
   */
  embed(texts: readonly string[], signal: AbortSignal, call: ProviderCallOptions): Promise<EmbeddedText[]>;
  /** What its service computes within a day, for less; only where the specification has a price for that. */
  readonly batches?: Batches | undefined;
  /**
   * Fetches ahead of time what the model needs on this machine, such as weights: `embedql pull`. Only for providers that
   * need anything. @returns where it is now, to follow the model's name. @throws EmbedQLError
   */
  pull?(): Promise<string>;
  /** Lets go of everything. May be called more than once. */
  close(): Promise<void>;
}

/** What an entry of the models file need not say. */
export type ProviderDefaults = Partial<
  Pick<
    ModelSpec,
    'maxBatchSize' | 'maxInputTokens' | 'maxBatchTokens' | 'costPer1kTokens' | 'supportsDimensions'
  >
>;

/** What a provider knows of one of its models. */
export interface KnownModel extends ProviderDefaults {
  /** Numbers in a vector, where an entry does not say. */
  readonly dimension?: number | undefined;
  /** The sizes that an entry's `dimension` may ask for. Default: the one that it has. */
  readonly sizes?: readonly number[] | 'any' | undefined;
  /** Whether the start of a vector, re-normalised, is itself a good embedding (Matryoshka). Default: false. */
  readonly nested?: boolean | undefined;
  readonly queryPrefix?: string | undefined;
  readonly documentPrefix?: string | undefined;
  /** The most texts that a call can carry; a larger `maxBatchSize` stops the start. */
  readonly mostTexts?: number | undefined;
}

/**
 * A kind of place that vectors come from. `EMBEDQL_PROVIDERS` names modules that have one as their default export.
 *
 * @example
 * const acme: Provider<{ baseUrl: string }> = {
 *   name: 'acme',
 *   defaults: { maxBatchSize: 96, maxInputTokens: 512 },
 *   options: { baseUrl: (url) => new URL(String(url)).href },
 *   open: (spec, context) => new AcmeModel(spec, context),
 * };
 * export default acme;
 */
export interface Provider<Options = unknown> {
  /** What entries of the models file call it: letters, digits, `-`, `_` and `.`. */
  readonly name: string;
  /** What its models have where an entry says nothing. */
  readonly defaults?: ProviderDefaults;
  /**
   * How the members of an entry that are the provider's own are read, such as `baseUrl`: each a Standard Schema (Zod,
   * Valibot, ArkType) or a function that gives the value or throws what is wrong with it. What is not listed is refused.
   */
  readonly options?: OptionReaders<Options>;
  /**
   * What is known of a model by the provider's own name for it, so that an entry need not say it. Asked with the entry's
   * `id`, and with its `name` where that says nothing of the dimension.
   */
  known?(id: string, options: Options): KnownModel | undefined;
  /** The names that `known` knows, for messages. */
  readonly knownNames?: readonly string[];
  /** Models that are there without a models file: entries like those in it, without `provider`. */
  readonly models?: ReadonlyArray<Readonly<Record<string, unknown>>>;
  /**
   * Whether the service behind these options refuses a text over the limit, as OpenAI does; OpenAI's clients then meet the
   * same here. Default: it cuts.
   */
  refusesLongTexts?(options: Options): boolean;
  /**
   * Whether the service behind these options takes batches, which it answers within a day at half the price. An entry whose
   * batches cost something else says so in `batchCostPer1kTokens`. Default: it takes none.
   */
  takesBatches?(options: Options): boolean;
  /** Other names under which clients may know a model. */
  aliases?(name: string): readonly string[];
  /** Whether it computes on this machine, with weights that have their own tokenizer. Default: false. */
  readonly onThisMachine?: boolean;
  /** Opens a model without asking anything of the network or the disk; that waits for the first use. */
  open(spec: ProviderSpec<Options>, context: ProviderContext): ProviderModel;
}
