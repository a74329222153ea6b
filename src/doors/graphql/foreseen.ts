import type { EmbedRequest } from '../../core/request.ts';

/**
 * What is counted before the operation runs, and asked for only when a field of it is reached: the text of an entity,
 * whose `embedding` may not be selected. Without a request: what has no text to embed, and counts all the same.
 */
export interface Possible {
  readonly possible: EmbedRequest | undefined;
}

/** What root fields say ahead that they will ask for, or may. */
export type Foreseen = EmbedRequest | Possible;

/** Everything that must be admitted. */
export function possibleRequests(foreseen: readonly Foreseen[]): EmbedRequest[] {
  const requests: EmbedRequest[] = [];
  for (const one of foreseen) {
    const request = 'possible' in one ? one.possible : one;
    if (request) requests.push(request);
  }
  return requests;
}

/** What will be asked for in any case. */
export function certainRequests(foreseen: readonly Foreseen[]): EmbedRequest[] {
  return foreseen.filter((one): one is EmbedRequest => !('possible' in one));
}
