import * as crypto from 'node:crypto';
import type { TextKind } from './model.ts';

/** What the cache keeps of a text: everything an answer needs. */
export interface CachedVector {
  readonly vector: Float32Array;
  /** Tokens the provider charged for it. */
  readonly tokens: number;
  readonly truncated: boolean;
}

/** What the cache had of a text, and where. */
export interface CacheHit extends CachedVector {
  /** Which part of the cache had it: its own name, for figures. */
  readonly tier: string;
}

/** One of the places where a cache keeps vectors. */
export interface CacheTier {
  readonly name: string;
  /** What is wrong with it and what to do, for people; undefined where nothing is. */
  readonly problem?: string | undefined;
}

/** What a look further gives for one key: what is there, else who computes it; undefined where nobody knows. */
export type Claimed = CacheHit | 'ours' | 'theirs' | undefined;

/**
 * What the core asks of a cache. A cache never fails and never keeps anybody waiting for long: what it
 * cannot answer is a miss. `testCache` of `embedql/testing` checks one.
 *
 * @example
 * cache.setMany([[key, { vector, tokens: 3, truncated: false }]]);
 * const [hit, miss] = await cache.getMany([key, otherKey]);
 */
export interface Cache {
  /** The name of what serves at the moment, for people; `none` where nothing is kept. */
  readonly backend: string;
  /** Whether a tier that should be there is away. */
  readonly degraded: boolean;
  /** Its parts, in the order in which they are asked. Default: nothing is known of them. */
  readonly tiers?: readonly CacheTier[];
  /** True where `peek` sees all there is, so that looking further would be in vain. */
  readonly peeksEverything?: boolean;
  /** A look at what is at hand without waiting. */
  peek(key: string): CacheHit | undefined;
  /** Looks further, in one round trip for all keys. Same length and order as `keys`. @param waitMs at the most */
  getMany(keys: readonly string[], waitMs?: number): Promise<Array<CacheHit | undefined>>;
  /**
   * Whether there are values, in one round trip for all keys; it does not count as a use of them. Same length and order as
   * `keys`. Default: what `getMany` finds. @param waitMs at the most
   */
  hasMany?(keys: readonly string[], waitMs?: number): Promise<boolean[]>;
  /**
   * For a cache that several processes share: looks further, and in the same round trip says that this process computes
   * what is not there and what nobody else computes (`ours`). The claim lives until the value is set, the key is released, or
   * this process is gone.
   */
  claimMany?(keys: readonly string[], waitMs: number): Promise<Claimed[]>;
  /** Gives claims back whose values were not computed. Returns at once. */
  release?(keys: readonly string[]): void;
  /**
   * Told of a hit that the model cannot use, for it has another dimension: it counts as a fault and is not kept at hand. The
   * text is computed again. Returns at once. @param tier which part had it, as in the hit
   */
  unusable?(key: string, tier: string): void;
  /** Keeps vectors, in one round trip, and ends the claims on them. Returns at once; nobody waits for the writing. */
  setMany(entries: ReadonlyArray<readonly [key: string, value: CachedVector]>): void;
  /** Resolves once what was to be kept has been written, or has been given up. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

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
export const sha256: (text: string) => string =
  typeof crypto.hash === 'function'
    ? (text) => crypto.hash('sha256', text, 'hex')
    : (text) => crypto.createHash('sha256').update(text, 'utf8').digest('hex');
