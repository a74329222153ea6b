import { createHash, timingSafeEqual } from 'node:crypto';
import type { Role } from '../schema/context.ts';

export interface Keys {
  apiKeys: readonly string[];
  adminKeys: readonly string[];
}

/** Says what the one who shows this `Authorization` header may do; undefined: nothing. */
export type Authenticate = (authorization: string | undefined) => Role | undefined;

/**
 * Without any keys everybody is an admin. API keys are then wanted from everybody; admin keys alone are wanted
 * only for what needs an admin. Compares digests in constant time, against every key.
 */
export function createAuthenticate({ apiKeys, adminKeys }: Keys): Authenticate {
  const api = apiKeys.map(digest);
  const admin = adminKeys.map(digest);
  const withoutKey: Role | undefined = api.length > 0 ? undefined : admin.length > 0 ? 'client' : 'admin';
  const withApiKey: Role = admin.length > 0 ? 'client' : 'admin';
  return (authorization) => {
    const [, key] = /^Bearer +(\S+) *$/i.exec(authorization ?? '') ?? [];
    if (key === undefined) return withoutKey;
    const shown = digest(key);
    const isAdmin = isAmong(shown, admin);
    const isClient = isAmong(shown, api);
    if (isAdmin) return 'admin';
    return isClient ? withApiKey : withoutKey;
  };
}

function digest(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}

function isAmong(shown: Buffer, known: readonly Buffer[]): boolean {
  let found = false;
  for (const candidate of known) found = timingSafeEqual(shown, candidate) || found;
  return found;
}
