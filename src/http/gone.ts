import type { ServerResponse } from 'node:http';

/** Aborts when the client goes away before its answer has been written. */
export function goneSignal(response: ServerResponse): AbortSignal {
  const gone = new AbortController();
  response.once('close', () => {
    if (!response.writableEnded) gone.abort();
  });
  return gone.signal;
}
