import type { CachedVector } from './cache.ts';
import type { EmbeddingModel, TextKind } from './model.ts';
import type { TraceContext } from './tracing.ts';

/** One text to embed. */
export interface TextRequest {
  readonly text: string;
  readonly kind: TextKind;
  readonly useCache: boolean;
  /** False refuses a text that is over the model's limit instead of cutting it. */
  readonly truncate: boolean;
  /** The most texts that the provider call with this one in it may carry. Default: the model's. */
  readonly maxBatchSize?: number | undefined;
  /** Reads the text in pieces. Default: as one. */
  readonly pieces?: PieceOptions | undefined;
}

/** How a text is read in pieces, each of which is a text by itself. */
export interface PieceOptions {
  /** Tokens of a piece at the most, with all that the model adds. */
  readonly maxTokens: number;
  /** Tokens that a piece begins with again, at the most. */
  readonly overlapTokens: number;
  /** Reads a text that is within the model's limit as one. */
  readonly onlyIfTooLong: boolean;
}

/** A part of a text, and its answer. */
export interface AnsweredPiece {
  /** UTF-16 positions in the text; `end` is the first that is not in it. */
  readonly start: number;
  readonly end: number;
  /** As the model counts them: with its special tokens, and with the prefix. */
  readonly tokens: number;
  readonly answer: Answer;
}

export interface Answer extends CachedVector {
  /** The name of the cache tier that had it, or `provider`. */
  readonly source: string;
  /** Which provider call it came from; texts of the same call have the same. Undefined out of the cache. */
  readonly call?: object | undefined;
  /** USD that this request caused; 0 for a cache hit and for those who joined somebody else's. */
  readonly costUsd: number;
  /** Whether its tokens, and so its cost, are an estimate because the provider did not say. Default: false. */
  readonly tokensEstimated?: boolean | undefined;
  /**
   * The pieces that the text was read in; then the vector is the mean of theirs, weighted by tokens and scaled to unit length,
   * and the figures are their sums. Undefined where it was read as one.
   */
  readonly pieces?: readonly AnsweredPiece[] | undefined;
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

/** Money that was set aside. One of the two is called, once. */
export interface Reservation {
  /** It has been spent, or less, or a little more. @param usd what was charged */
  settle(usd: number): void;
  /** It is not needed. */
  release(): void;
}

/** The books of whoever asks. Told for every operation, so that each call should be a few additions. */
export interface Account {
  /** So many texts were asked for. */
  asked(model: string, texts: number): void;
  /** The cache had texts. @param usd what a provider would have charged for them */
  served(model: string, texts: number, usd: number): void;
  /**
   * A text was charged to whoever was the first that asked for it and was still there.
   * @param tokensEstimated whether the provider did not say how many tokens it was
   */
  charged(usd: number, tokens: number, model: string, tokensEstimated?: boolean): void;
}

/** Who pays for what an operation has computed. Where nobody keeps books, only what is charged is told. */
export interface Payer extends Pick<Account, 'charged'>, Partial<Omit<Account, 'charged'>> {
  /** The name of the key that was shown. */
  readonly key: string;
  /**
   * Sets money aside before it is spent. Left out where there is no limit to it.
   * @param usd the most that a text can cost
   * @throws (rejects) EmbedQLError RATE_LIMITED where it is more than is left
   */
  reserve?(usd: number): Promise<Reservation>;
}

/** Those who ask together, and what they may ask for. */
export interface Operation {
  /** Aborts when they have gone. */
  readonly signal?: AbortSignal | undefined;
  /** The parent of its spans. */
  readonly trace?: TraceContext;
  readonly payer?: Payer | undefined;
  /**
   * Whether nobody waits for it at this moment: its texts are sent only where no other text waits, and never take more than
   * half of the calls that may be in flight. Default: false.
   */
  readonly canWait?: boolean | undefined;
  /**
   * Takes texts out of what the operation has been allowed. The embedder does so before it looks up, computes or pays
   * anything, so that nothing passes that nobody allowed.
   * @throws (or rejects) EmbedQLError where the texts may not be had
   */
  draw(requests: readonly ModelRequest[]): void | Promise<void>;
  /** Texts that it may draw yet; what comes to more is not read any further. Default: any number. */
  readonly textsLeft?: number | undefined;
}

/** Allows everything: for programs that limit themselves. */
export const unlimited: Pick<Operation, 'draw'> = { draw: () => {} };
