import type { EmbedQLError } from './errors.ts';

/** A text of a batch. */
export interface BatchText {
  /** Letters, digits, `-` and `_`; what comes back is told by it. */
  readonly id: string;
  /** As it is sent: with the model's prefix, and cut to its limit. */
  readonly text: string;
}

/** What a batch is marked with, so that it is found again by whoever has forgotten its id. Short words. */
export type BatchMark = Readonly<Record<string, string>>;

/** How it stands with a batch. */
export interface BatchState {
  /** `running`: ask again later. `ended`: nothing more comes of it, whatever has come. */
  readonly state: 'running' | 'ended';
  /** The provider's names for what has come back; there may be something though the batch as a whole has failed. */
  readonly outputs: readonly string[];
  /** Why it has not gone through, in a few words of ours; undefined where it has. */
  readonly problem?: string | undefined;
}

/** What has become of one text of a batch. */
export type BatchLine = { readonly id: string } & (
  | {
      /** `dimension` finite numbers. */
      readonly vector: Float32Array;
      /** Tokens that were charged for it; undefined where the provider does not say. */
      readonly tokens: number | undefined;
    }
  | { readonly error: EmbedQLError }
);

/**
 * A model's batches: texts that its provider computes within a day, at a lower price. One attempt each; whoever calls tries
 * again. All reject with an `EmbedQLError`, a `retryable` one where another attempt may help.
 *
 * @example
 * const id = await batches.submit(texts, { kind: 'doc', mark, signal });
 * while ((await batches.look(id, signal)).state === 'running') await pause();
 */
export interface Batches {
  /** Texts that one batch may have. */
  readonly maxTexts: number;
  /** Bytes of UTF-8 that they may have together. */
  readonly maxBytes: number;
  /**
   * Hands texts in. What fails after it has reached the provider may be there all the same: `find` tells.
   * @returns the provider's id of the batch
   */
  submit(
    texts: readonly BatchText[],
    options: { readonly kind: 'doc' | 'query'; readonly mark: BatchMark; readonly signal: AbortSignal },
  ): Promise<string>;
  /** The id of the batch with this mark that was handed in since, in milliseconds since 1970; undefined for none. */
  find(mark: BatchMark, since: number, signal: AbortSignal): Promise<string | undefined>;
  look(id: string, signal: AbortSignal): Promise<BatchState>;
  /** What has come back, in any order. A text may be missing, and may come twice. */
  read(outputs: readonly string[], signal: AbortSignal): AsyncIterable<BatchLine>;
  /** Asks the provider to stop. What it has computed is charged, and comes back. */
  cancel(id: string, signal: AbortSignal): Promise<void>;
  /** Lets the provider delete what it keeps of a batch that has ended: its texts and what came back. */
  forget(id: string, signal: AbortSignal): Promise<void>;
}
