const slot = 'embedql-key';

/** The key that was typed in, for this tab alone. */
export const key = {
  get: () => sessionStorage.getItem(slot),
  set: (value) => sessionStorage.setItem(slot, value),
  forget: () => sessionStorage.removeItem(slot),
};

export function authorization() {
  return key.get() ? { authorization: `Bearer ${key.get()}` } : {};
}

/** Beside the folder that this file is in, whatever prefix all of it is under. */
export const endpoint = new URL('../graphql', import.meta.url).href;

export class KeyRequired extends Error {
  constructor() {
    super('This server requires an API key.');
  }
}

async function post(query, variables, accept, signal) {
  const body = JSON.stringify({ query, variables });
  const headers = { 'content-type': 'application/json', accept, ...authorization() };
  const response = await fetch(endpoint, { method: 'POST', headers, body, signal });
  if (response.status === 401) throw new KeyRequired();
  return response;
}

/** Runs an operation. Resolves with the whole answer and what it came to. */
export async function graphql(query, variables, signal) {
  const response = await post(query, variables, 'application/json', signal);
  return { ...(await response.json()), figures: response.headers.get('x-embedql-figures') };
}

/** The answers of a subscription, as they come. */
export async function* subscribe(query, signal) {
  const response = await post(query, undefined, 'text/event-stream', signal);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    buffer += value;
    const events = buffer.split('\n\n');
    buffer = events.pop();
    for (const event of events) {
      const line = event.split('\n').find((one) => one.startsWith('data:'));
      const data = line?.slice('data:'.length).trim();
      // The last event of a stream has none.
      if (data) yield JSON.parse(data);
    }
  }
}
