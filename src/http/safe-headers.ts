import type { ServerResponse } from 'node:http';

/** On every answer: it is what it says it is, it is nobody else's to embed, and it tells nobody where it was. */
export function setSafeHeaders(response: ServerResponse): void {
  response.setHeader('x-content-type-options', 'nosniff');
  response.setHeader('referrer-policy', 'no-referrer');
  response.setHeader('cross-origin-resource-policy', 'same-origin');
  response.setHeader('x-frame-options', 'DENY');
}
