import { createHash, timingSafeEqual } from 'node:crypto';
import { EmbedQLError } from '../core/errors.ts';

/** What somebody may do by the key that they showed. */
export type Role = 'client' | 'admin';

/** A key and the name that it has in metrics and logs. */
export interface NamedKey {
  name: string;
  key: string;
}

export interface Keys {
  apiKeys: readonly NamedKey[];
  adminKeys: readonly NamedKey[];
}

/** What is known of somebody by the key they showed. */
export interface Identity {
  role: Role;
  /** The name of the key; `anonymous` where none was shown or it is not one of ours. */
  key: string;
  /** Whether it may see what all others do: an admin key, or anybody where there are no keys. Default: no. */
  seesAll?: boolean;
  /** What they call what they do, for the books. Default: nothing. */
  tag?: string | undefined;
}

/** Says what the one who shows this `Authorization` header may do; undefined: nothing. */
export type Authenticate = (authorization: string | undefined) => Identity | undefined;

/** Somebody showed a key that is none of this server's. */
export class WrongKeyError extends EmbedQLError {
  constructor() {
    super(
      'UNAUTHENTICATED',
      "The API key that was sent is none of this server's; ask whoever runs it for one.",
    );
  }
}

/** Why somebody whom no key lets in is kept out. */
export function keyRefusal(authorization: string | undefined): EmbedQLError {
  if (bearer.test(authorization ?? '')) return new WrongKeyError();
  return new EmbedQLError('UNAUTHENTICATED', 'An API key is required: send "Authorization: Bearer <key>".');
}

const bearer = /^Bearer +(\S+) *$/i;

/**
 * Without any keys everybody is an admin. With API keys everybody must show one; admin keys alone are required
 * only for operations of admins. Compares digests in constant time, against every key.
 */
export function createAuthenticate({ apiKeys, adminKeys }: Keys): Authenticate {
  const api = apiKeys.map(digested);
  const admin = adminKeys.map(digested);
  const anonymousRole: Role | undefined = api.length > 0 ? undefined : admin.length > 0 ? 'client' : 'admin';
  const anonymous = anonymousRole && {
    role: anonymousRole,
    key: 'anonymous',
    seesAll: anonymousRole === 'admin',
  };
  const withApiKey: Role = admin.length > 0 ? 'client' : 'admin';
  return (authorization) => {
    if (api.length === 0 && admin.length === 0) return anonymous;
    const [, key] = bearer.exec(authorization ?? '') ?? [];
    if (key === undefined) return anonymous;
    const shown = digest(key);
    const adminName = find(shown, admin);
    const apiName = find(shown, api);
    if (adminName !== undefined) return { role: 'admin', key: adminName, seesAll: true };
    return apiName === undefined ? anonymous : { role: withApiKey, key: apiName };
  };
}

function digest(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}

function digested({ name, key }: NamedKey): { name: string; digest: Buffer } {
  return { name, digest: digest(key) };
}

function find(shown: Buffer, known: ReadonlyArray<{ name: string; digest: Buffer }>): string | undefined {
  let found: string | undefined;
  // All of them, so that the time says nothing about which one it was.
  for (const candidate of known) if (timingSafeEqual(shown, candidate.digest)) found ??= candidate.name;
  return found;
}
