// What this package takes from the JavaScript runtime, as small structural types: a browser, Node, Deno, Bun and
// workers all have it, and nobody who compiles against the package needs the types of any of them.

/** What `fetch` is given. */
export interface FetchInit {
  method?: string;
  headers?: object;
  body?: unknown;
  signal?: AbortSignalLike | null;
}

/** The part of a `Response` that is read. */
export interface ResponseLike {
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  /** Null where there is no body. */
  readonly body: { getReader(): ReaderLike } | null;
  text(): Promise<string>;
}

/** The part of a body's reader that is used. */
export interface ReaderLike {
  read(): Promise<{ done: boolean; value?: Uint8Array | undefined }>;
  cancel(): Promise<void>;
}

/** The part of an `AbortSignal` that is used. */
export interface AbortSignalLike {
  readonly aborted: boolean;
  readonly reason?: unknown;
  addEventListener(type: 'abort', listener: () => void): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}

// Seen in this file alone; at run time they are the globals.
declare const fetch: (url: string, init: FetchInit) => Promise<ResponseLike>;
declare const setTimeout: (run: () => void, ms: number) => unknown;
declare const clearTimeout: (timer: unknown) => void;
declare const performance: { now(): number };
declare const AbortController: new () => { readonly signal: AbortSignalLike; abort(reason?: unknown): void };
declare const TextDecoder: new () => { decode(bytes?: Uint8Array, options?: { stream: boolean }): string };
declare const URL: new (
  url: string,
) => {
  readonly protocol: string;
  readonly username: string;
  readonly password: string;
  readonly origin: string;
  readonly pathname: string;
};
declare const atob: (base64: string) => string;

/** The global `fetch`, looked up at each call. */
export const globalFetch = (url: string, init: FetchInit): Promise<ResponseLike> => fetch(url, init);

/** Milliseconds on a clock that never goes back. */
export const now = (): number => performance.now();

export const newDecoder = (): InstanceType<typeof TextDecoder> => new TextDecoder();

/** @throws DOMException for what is not base64 */
export const binaryFromBase64 = (base64: string): string => atob(base64);

/** An absolute URL in its parts; undefined where it is none. */
export function parseUrl(url: string): InstanceType<typeof URL> | undefined {
  try {
    return new URL(url);
  } catch {
    return undefined;
  }
}

/** Whether a URL without a host means the page that this runs in. */
export function hasPage(): boolean {
  return (globalThis as { location?: unknown }).location !== undefined;
}

/** @throws the signal's reason, where it has aborted */
export function throwIfAborted(signal: AbortSignalLike | undefined): void {
  if (signal?.aborted) throw signal.reason;
}

/** Waits. @throws the signal's reason as soon as it aborts */
export function sleep(ms: number, signal?: AbortSignalLike): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const abort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', abort);
      resolve();
    }, ms);
    signal?.addEventListener('abort', abort);
  });
}

/** An abort that follows another one, and a timer that can be set again. */
export interface Cancellation {
  readonly signal: AbortSignalLike;
  /** Aborts with `reason` after so many milliseconds; replaces the timer before it. */
  abortAfter(ms: number, reason: unknown): void;
  /** Stops the timer. */
  hold(): void;
  abort(): void;
  /** Lets go of the timer and of the signal that is followed. */
  release(): void;
}

export function cancellation(outer: AbortSignalLike | undefined): Cancellation {
  const controller = new AbortController();
  let timer: unknown;
  const follow = () => controller.abort(outer?.reason);
  if (outer?.aborted) follow();
  else outer?.addEventListener('abort', follow);
  const hold = () => clearTimeout(timer);
  return {
    signal: controller.signal,
    abortAfter(ms, reason) {
      hold();
      timer = setTimeout(() => controller.abort(reason), ms);
    },
    hold,
    abort: () => controller.abort(),
    release() {
      hold();
      outer?.removeEventListener('abort', follow);
    },
  };
}
