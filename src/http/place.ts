import type { MountedRequest } from './route.ts';

/** Where a request is aimed at, seen from the handler. */
export interface Place {
  /** The path below `prefix`, without the query string; empty for the prefix itself without a slash behind it. */
  readonly path: string;
  /** What stands in front of the path outside: where a framework mounted the handler, and `basePath`. */
  readonly prefix: string;
}

/**
 * Finds the place of a request; undefined where it is outside of `basePath`. Express and connect take the mount point
 * off `url` and leave `originalUrl`; a `basePath` that says the same mount point again is not looked for twice.
 * @param basePath such as `/ai`; empty for none
 */
export function placeOf(request: MountedRequest, basePath: string): Place | undefined {
  const { path, prefix } = mountOf(request);
  if (basePath === '' || prefix.endsWith(basePath)) return { path, prefix };
  if (path !== basePath && !path.startsWith(`${basePath}/`)) return undefined;
  return { path: path.slice(basePath.length), prefix: prefix + basePath };
}

function mountOf({ url = '/', originalUrl }: MountedRequest): Place {
  const path = pathOf(url);
  if (originalUrl === undefined || originalUrl === url) return { path, prefix: '' };
  const whole = pathOf(originalUrl);
  // A request for the mount point itself: the framework has put the slash there.
  if (path === '/' && !whole.endsWith('/')) return { path: '', prefix: whole };
  return { path, prefix: whole.endsWith(path) ? whole.slice(0, -path.length) : '' };
}

/** The path of a request's target; some proxies send the whole URL there, and may. */
function pathOf(target: string): string {
  const url = target.startsWith('/') ? target : target.replace(/^https?:\/\/[^/?]*/i, '');
  const query = url.indexOf('?');
  return (query === -1 ? url : url.slice(0, query)) || '/';
}

/**
 * The address of a page whose links are relative, for a request that left out the slash behind the prefix. It is
 * relative itself, so that it holds behind a proxy that has taken off a prefix of its own.
 */
export function withSlash({ prefix }: Place): string {
  return `./${prefix.slice(prefix.lastIndexOf('/') + 1)}/`;
}

/** Checks an option `basePath`, and takes the slash off its end. @throws TypeError */
export function readBasePath(basePath = ''): string {
  const path = basePath.replace(/\/$/, '');
  if (path === '' || /^(?:\/[\w.~%-]+)+$/.test(path)) return path;
  throw new TypeError(`basePath: expected a path such as /ai, got ${JSON.stringify(basePath)}`);
}
