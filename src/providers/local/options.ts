import type { ProviderSpec } from '../provider.ts';

/** What may compute. `auto` is the first of this platform that can. */
export const devices = ['cpu', 'cuda', 'webgpu', 'coreml', 'dml', 'auto'] as const;
export type Device = (typeof devices)[number];

/** What a models-file entry may say of a local model. */
export interface LocalOptions {
  /** Which of the weights to load, such as `q8`. Default: the best that is there. */
  readonly dtype?: string | undefined;
  /** How token vectors become one. Default: `mean`. */
  readonly pooling?: 'mean' | 'cls' | undefined;
  /** What computes, where it can be used. Default: `cpu`. */
  readonly device?: Device | undefined;
}

export type LocalSpec = ProviderSpec<LocalOptions>;
