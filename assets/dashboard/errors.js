import { byId, fillRows } from './elements.js';
import { count } from './format.js';

/** What to do, by the code of an error. */
const advice = {
  BAD_USER_INPUT: 'A client sends empty texts, wrong arguments or wrong documents; its message says which.',
  TEXT_TOO_LONG: 'A client refuses to have texts cut: truncate: true, longText: AVERAGE, or shorter texts.',
  COST_LIMIT_EXCEEDED:
    'Operations are too large: divide them, or raise EMBEDQL_MAX_TEXTS, _TOKENS or _ANSWER_BYTES.',
  MODEL_NOT_FOUND: 'A client asks for a model that is not in the table of models below.',
  PROVIDER_NOT_CONFIGURED:
    'A model lacks its key or its runtime: see its state in the table of models below.',
  PROVIDER_ERROR: 'A provider fails or refuses texts; the log has its first failure.',
  PROVIDER_TIMEOUT:
    'A provider is slow: raise EMBEDQL_PROVIDER_TIMEOUT_MS, or lower EMBEDQL_PROVIDER_CONCURRENCY.',
  RATE_LIMITED: 'A provider asks for fewer requests, or a key is at its limit (EMBEDQL_KEY_LIMITS).',
  OVERLOADED: 'More texts arrive than are computed: add replicas, or raise EMBEDQL_QUEUE_LIMIT.',
  UNAUTHENTICATED: 'A client has no key, or a wrong one.',
  FORBIDDEN: 'A client did what only an admin key may do.',
  INTERNAL_SERVER_ERROR: 'A defect of EmbedQL; please report it with the lines of the log.',
};

/** Failed fields and entries by code, with what to do. Hidden where there are none. */
export function showErrors(errors) {
  byId('errors-part').hidden = errors.length === 0;
  const rows = errors.map((error) => [error.code, count(error.count), advice[error.code] ?? '']);
  const said = rows.map((row) => row.join(' ')).join('\n');
  // Once a second, and seldom with anything new.
  if (byId('errors-table').dataset.said === said) return;
  byId('errors-table').dataset.said = said;
  fillRows(byId('errors-table'), rows);
}
