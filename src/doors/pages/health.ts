import { sendJson } from '../../http/respond.ts';
import type { Handler } from '../../http/route.ts';

/** Why the server cannot answer at the moment; undefined when it can. */
export type Unready = () => string | undefined;

/** Liveness: the process serves. */
export const health: Handler = (_request, response) => sendJson(response, 200, { status: 'ok' });

/** Readiness: whether it makes sense to send requests here. */
export function createReadiness(unready: Unready): Handler {
  return (_request, response) => {
    const reason = unready();
    if (reason === undefined) sendJson(response, 200, { status: 'ready' });
    else sendJson(response, 503, { status: 'unavailable', reason });
  };
}
