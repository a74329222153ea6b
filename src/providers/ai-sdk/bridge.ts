import type { EmbedQLError } from '../../core/errors.ts';
import type { EmbeddedText, FittedText, ModelSpec, ModelStatus, TextKind } from '../../core/model.ts';
import type { Log } from '../../core/surroundings.ts';
import { normalise } from '../../core/vectors.ts';
import type { ProviderCallOptions, ProviderModel } from '../provider.ts';
import { countEach } from '../tokens/cl100k.ts';
import { apportion, fitTexts, type TokenCounter } from '../tokens/counter.ts';
import { readResult } from './answer.ts';
import { describeSdkFailure, type ReadRefusal } from './failures.ts';
import type { AiSdkEmbeddingModel, AiSdkProviderOptions } from './model.ts';

export interface BridgeOptions {
  readonly spec: ModelSpec;
  readonly log: Log;
  /** Opens the SDK's model; called at the first use, and again where that failed. @throws EmbedQLError */
  readonly load: () => Promise<AiSdkEmbeddingModel>;
  /** Why it cannot be asked, and that in a few words for a table; undefined where it can. */
  readonly missing?: { readonly error: EmbedQLError; readonly note: string } | undefined;
  /** What its calls are told besides the texts. */
  readonly callOptions: (kind: TextKind) => AiSdkProviderOptions | undefined;
  readonly distinguishesKinds: boolean;
  /** Whether it may be called again while it computes. */
  readonly parallel: boolean;
  readonly counter: TokenCounter;
  /** Tokens that the service adds to each text. */
  readonly addedTokens?: number | undefined;
  /** Whether its vectors have any length, and get unit length here. Default: false. */
  readonly normalise?: boolean;
  /** What the key is set with, for messages. */
  readonly key: string;
  readonly readRefusal?: ReadRefusal | undefined;
}

/**
 * An embedding model of the AI SDK as a model of ours: plain calls. Retries, time limits, splitting and accounting are put
 * around it as around every other; the SDK's own (`embedMany`) are not used.
 */
export class AiSdkModel implements ProviderModel {
  readonly spec: ModelSpec;
  readonly remote = true;
  readonly distinguishesKinds: boolean;
  readonly maxConcurrency: number | undefined;
  readonly addedTokens: number | undefined;
  readonly #options: BridgeOptions;
  #loading: Promise<AiSdkEmbeddingModel> | undefined;
  #cutIsTold = false;

  constructor(options: BridgeOptions) {
    this.#options = options;
    this.spec = options.spec;
    this.distinguishesKinds = options.distinguishesKinds;
    this.addedTokens = options.addedTokens;
    this.maxConcurrency = options.parallel ? undefined : 1;
  }

  status(): ModelStatus {
    const { missing } = this.#options;
    if (!missing) return { available: true, loaded: true };
    return { available: false, loaded: false, reason: missing.error.message, note: missing.note };
  }

  async identity(): Promise<string> {
    const { missing } = this.#options;
    if (missing) throw missing.error;
    // Slow to load and needed soon. A failure is reported when it is needed.
    this.#load().catch(() => {});
    return this.spec.name;
  }

  async fit(texts: readonly string[]): Promise<FittedText[]> {
    const { counter, log } = this.#options;
    const fitted = await fitTexts(texts, this.spec, counter);
    if (!counter.exact && !this.#cutIsTold && fitted.some(({ truncated }) => truncated)) {
      this.#cutIsTold = true;
      const { name, maxInputTokens } = this.spec;
      log.warn(
        { model: name, maxInputTokens },
        `${name} has no tokenizer, so a text is cut at ${maxInputTokens} bytes, where it may have fewer tokens than that; ` +
          'give its entry a "tokenizer".',
      );
    }
    return fitted;
  }

  countTokens(texts: readonly string[], atMost?: number): Promise<number[]> {
    return this.#options.counter.count(texts, atMost);
  }

  async embed(
    texts: readonly string[],
    signal: AbortSignal,
    { kind }: ProviderCallOptions,
  ): Promise<EmbeddedText[]> {
    const { missing, callOptions, counter, key, readRefusal, log } = this.#options;
    if (missing) throw missing.error;
    signal.throwIfAborted();
    const model = await this.#load();
    const providerOptions = callOptions(kind);
    const { name } = this.spec;
    try {
      const [result, weights] = await Promise.all([
        model.doEmbed({
          values: [...texts],
          abortSignal: signal,
          ...(providerOptions && { providerOptions }),
        }),
        // Counted while the service computes. One text alone is charged for all of the call.
        texts.length > 1 ? counter.count(texts) : undefined,
      ]);
      log.debug({ model: name, texts: texts.length }, 'provider answered');
      const { vectors, tokens: total } = readResult(result, texts.length, this.spec);
      if (this.#options.normalise) for (const vector of vectors) normalise(vector);
      if (total === undefined) return estimated(vectors, await this.#estimate(texts, weights));
      const tokens = weights ? apportion(total, weights) : [total];
      return vectors.map((vector, i) => ({ vector, tokens: tokens[i]! }));
    } catch (error) {
      const failure = describeSdkFailure(error, this.spec, key, readRefusal);
      const { statusCode: status } = error as { statusCode?: unknown };
      log.debug({ model: name, texts: texts.length, status }, 'provider failed');
      throw failure;
    }
  }

  async close(): Promise<void> {}

  /** Tokens that the service does not tell: its own tokenizer's count, else that of another model, which is near. */
  async #estimate(texts: readonly string[], counts: number[] | undefined): Promise<number[]> {
    const { counter } = this.#options;
    if (!counter.exact) return countEach(texts);
    return counts ?? counter.count(texts);
  }

  #load(): Promise<AiSdkEmbeddingModel> {
    this.#loading ??= this.#options.load().catch((error: unknown) => {
      this.#loading = undefined;
      throw error;
    });
    return this.#loading;
  }
}

function estimated(vectors: readonly Float32Array[], counts: readonly number[]): EmbeddedText[] {
  return vectors.map((vector, i) => ({ vector, tokens: counts[i]!, tokensEstimated: true }));
}
