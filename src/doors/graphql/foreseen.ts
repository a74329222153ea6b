import type { EmbedRequest } from '../../core/request.ts';

/**
 * What is counted before the operation runs, and asked for only when a field of it is reached: the text of an entity,
 * whose `embedding` may not be selected.
 */
export interface Possible {
  readonly possible: EmbedRequest;
}

/** What root fields say ahead that they will ask for, or may. */
export type Foreseen = EmbedRequest | Possible;

/** Everything that must be admitted. */
export function possibleRequests(foreseen: readonly Foreseen[]): EmbedRequest[] {
  return foreseen.map((one) => ('possible' in one ? one.possible : one));
}

/** What will be asked for in any case. */
export function certainRequests(foreseen: readonly Foreseen[]): EmbedRequest[] {
  return foreseen.filter((one): one is EmbedRequest => !('possible' in one));
}
