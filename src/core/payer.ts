import type { EmbedQLError } from './errors.ts';

/** Who pays for what an operation has computed. */
export interface Payer {
  /** The name of the key that was shown. */
  readonly key: string;
  /** Why nothing that costs money may be computed any more; what is cached still may be given. */
  refusal: EmbedQLError | undefined;
  /** The provider charged for a text of this payer. Told also when the one who asked has gone. */
  charge(usd: number, tokens: number): void;
}
