import type { IncomingMessage } from 'node:http';

/** What a plugin may read of the request of a whole answer. */
type Carried = Pick<Request, 'method' | 'headers' | 'signal'>;

/**
 * The request of an operation that is answered as a whole. It was read without Fetch, so it carries what plugins read
 * in their hooks around parsing and execution, under the names that it has there; everything else says that it is not
 * here.
 */
class WholeRequest implements Carried {
  readonly method: string;
  readonly signal: AbortSignal;
  readonly #headers: IncomingMessage['headers'];
  #read: Headers | undefined;

  constructor(
    { method = 'POST', headers }: Pick<IncomingMessage, 'method' | 'headers'>,
    signal: AbortSignal,
  ) {
    this.method = method;
    this.signal = signal;
    this.#headers = headers;
  }

  /** Made when somebody reads them, which ours do not. */
  get headers(): Headers {
    this.#read ??= new Headers(
      Object.entries(this.#headers).flatMap(([name, value]) =>
        [value ?? []].flat().map((item): [string, string] => [name, item]),
      ),
    );
    return this.#read;
  }
}

for (const name of Object.getOwnPropertyNames(Request.prototype)) {
  if (['constructor', 'method', 'headers', 'signal'].includes(name)) continue;
  Object.defineProperty(WholeRequest.prototype, name, {
    get() {
      throw new Error(
        `Request.${name} is not available to plugins; they can read method, headers and signal.`,
      );
    },
  });
}

/** @param signal aborts when the client has left */
export function wholeRequest(
  request: Pick<IncomingMessage, 'method' | 'headers'>,
  signal: AbortSignal,
): Request {
  const carried: Carried = new WholeRequest(request, signal);
  return carried as Request;
}
