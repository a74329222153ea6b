import { EmbedError } from './errors.ts';
import { hasPage, parseUrl } from './runtime.ts';

/** @returns the URL as `fetch` takes it. @throws EmbedError BAD_URL that says what to write instead */
export function checkUrl(url: unknown): string {
  if (typeof url !== 'string' || url.trim() === '')
    throw bad(`The URL is ${url === '' ? 'empty' : String(url)}; pass one such as ${example}.`);
  const given = url.trim();
  if (given.startsWith('/') && !given.startsWith('//')) {
    if (hasPage()) return given;
    throw bad(`The URL ${given} has no host; pass one such as http://127.0.0.1:4000${given}.`);
  }
  const parsed = parseUrl(given);
  if (parsed && /^https?:$/.test(parsed.protocol)) {
    if (parsed.username === '' && parsed.password === '') return given;
    throw bad('The URL holds a user or a password, which fetch refuses; pass the key as { apiKey }.');
  }
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(given);
  const meant = withoutQuery(scheme ? given.slice(scheme[0].length) : given.replace(/^\/\//, ''));
  // What stands before an @ may be a password.
  if (meant.includes('@')) throw bad(`The URL must begin with http:// or https://, such as ${example}.`);
  const wrong = scheme ? `must begin with http:// or https://, not ${scheme[0]}` : 'has no scheme';
  throw bad(`The URL ${wrong}; did you mean ${parseUrl(`http://${meant}`) ? `http://${meant}` : example}?`);
}

/** The URL as it may stand in a message: a query may hold a secret. */
export function shownUrl(url: string): string {
  return withoutQuery(url);
}

/** What to ask instead, as the end of a sentence. */
export function didYouMean(url: string): string {
  let shown = withoutQuery(url);
  while (shown.endsWith('/')) shown = shown.slice(0, -1);
  if (shown.endsWith('/graphql')) return 'is another server at that address?';
  const v1 = `${shown}/`.indexOf('/v1/');
  return `did you mean ${v1 === -1 ? shown : shown.slice(0, v1)}/graphql?`;
}

const example = 'http://127.0.0.1:4000/graphql';

function withoutQuery(url: string): string {
  return url.slice(0, url.search(/[?#]|$/));
}

function bad(message: string): EmbedError {
  return new EmbedError('BAD_URL', message);
}
