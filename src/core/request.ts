import type { CachedVector } from './cache.ts';
import type { EmbedQLError } from './errors.ts';
import type { CacheTier } from './events.ts';
import type { EmbeddingModel, TextKind } from './model.ts';
import type { TraceContext } from './tracing.ts';

/** One text that somebody wants embedded. */
export interface TextRequest {
  readonly text: string;
  readonly kind: TextKind;
  readonly useCache: boolean;
  /** False refuses a text that is over the model's limit instead of cutting it. */
  readonly truncate: boolean;
  /** The most texts that the provider call with this one in it may carry. Default: the model's. */
  readonly maxBatchSize?: number | undefined;
}

export interface Answer extends CachedVector {
  readonly source: CacheTier | 'provider';
  /** Which provider call it came from; texts of the same call have the same. Undefined out of the cache. */
  readonly call?: object | undefined;
  /** USD that this request caused; 0 for a cache hit and for those who joined somebody else's. */
  readonly costUsd: number;
}

/** A text and the model that it is for. */
export interface ModelRequest extends TextRequest {
  readonly model: EmbeddingModel;
}

/** One of several requests of an operation. */
export interface EmbedRequest extends ModelRequest {
  /** Requests of which this is the same get the same answer. */
  readonly dedupeKey: string;
}

/** Who pays for what an operation has computed. */
export interface Payer {
  /** The name of the key that was shown. */
  readonly key: string;
  /** Why nothing that costs money may be computed any more; what is cached still may be given. */
  refusal: EmbedQLError | undefined;
  /** The provider charged for a text of this payer. Told also when the one who asked has gone. */
  charge(usd: number, tokens: number): void;
}

/** Those who ask together. */
export interface Operation {
  /** Aborts when they have gone. */
  readonly signal?: AbortSignal | undefined;
  /** Where their spans hang. */
  readonly trace?: TraceContext;
  readonly payer?: Payer | undefined;
}
