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

// crypto.hash is three times as fast as createHash but younger than our oldest Node.
const sha256: (text: string) => string =
  typeof crypto.hash === 'function'
    ? (text) => crypto.hash('sha256', text, 'hex')
    : (text) => crypto.createHash('sha256').update(text, 'utf8').digest('hex');
