import * as crypto from 'node:crypto';
import type { TextKind } from './model.ts';

/** Changes when what is stored under a key changes its meaning. */
const prefix = 'embed:v2';

/**
 * The cache key of a text: `embed:v2:<model identity>:<doc|query>:<sha256 hex of the exact UTF-8 text>`.
 * The text itself never leaves the process.
 */
export function cacheKey(identity: string, kind: TextKind, text: string): string {
  return `${prefix}:${identity}:${kind}:${sha256(text)}`;
}

/** What a key says; undefined for one that is not ours. */
export function parseKey(key: string): { identity: string; kind: TextKind } | undefined {
  const [, identity, kind] = /^embed:v2:(.+):(doc|query):[0-9a-f]{64}$/.exec(key) ?? [];
  return identity === undefined ? undefined : { identity, kind: kind as TextKind };
}

/** A glob that all keys of a model match, or all keys there are. */
export function keyPattern(model?: string): string {
  return model === undefined ? `${prefix}:*` : `${prefix}:${model.replace(/[*?[\]\\]/g, '\\$&')}*`;
}

// crypto.hash is three times as fast as createHash but younger than our oldest Node.
const sha256: (text: string) => string =
  typeof crypto.hash === 'function'
    ? (text) => crypto.hash('sha256', text, 'hex')
    : (text) => crypto.createHash('sha256').update(text, 'utf8').digest('hex');
