import { type Config, ConfigError } from '../config/config.ts';

/**
 * The name of the key that a command asks with: what it pays is booked on it, and its cache is the one where each key has its
 * own.
 * @throws ConfigError where it has to be said, or there is no such key
 */
export function keyOfCache(named: string | undefined, config: Config): string {
  const names = [...config.apiKeys, ...config.adminKeys].map(({ name }) => name);
  if (named !== undefined) {
    if (named === 'anonymous' || names.includes(named)) return named;
    throw new ConfigError(
      `--key: EMBEDQL_API_KEYS has no key of the name ${named}; for example --key ${names[0] ?? 'anonymous'}`,
    );
  }
  if (config.cacheScope === 'shared') return 'warm';
  throw new ConfigError(
    `--key: must be set where EMBEDQL_CACHE_SCOPE is key, because each key has a cache of its own; for example --key ${names[0] ?? 'anonymous'}`,
  );
}
