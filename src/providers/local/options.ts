import type { ProviderSpec } from '../provider.ts';

/** What a models-file entry may say of a local model. */
export interface LocalOptions {
  /** Which of the weights to load, such as `q8`. Default: the best that is there. */
  readonly dtype?: string | undefined;
  /** How token vectors become one. Default: `mean`. */
  readonly pooling?: 'mean' | 'cls' | undefined;
}

export type LocalSpec = ProviderSpec<LocalOptions>;
