import type { Cache } from '../core/cache.ts';
import type { Catalogue } from '../core/catalogue.ts';

/** What a server tells when it listens. */
export interface StartReport {
  address: string;
  graphiql: string;
  dashboard: string;
  defaultModel: string;
  /** Where vectors are kept, and how to keep them longer. */
  cache: string;
  /** Where the books are kept, and how to keep them longer. */
  ledger: string;
  /** Models that cannot be used as it stands, by what they lack. */
  missing: Record<string, string[]>;
}

/** Where vectors may be kept. */
export interface CachePlaces {
  cache: boolean;
  cacheDir?: string | undefined;
  redisUrls: readonly string[];
  stateRedisUrls: readonly string[];
}

/** @param address where it listens @param pages the paths of GraphiQL and of the dashboard */
export function startReport(
  address: string,
  pages: { graphiql: string; dashboard: string },
  { catalogue, cache, places }: { catalogue: Catalogue; cache: Cache; places: CachePlaces },
): StartReport {
  const missing: StartReport['missing'] = {};
  for (const model of catalogue.all()) {
    const { available, note, reason } = model.status();
    if (available) continue;
    const what = note ?? reason ?? 'is unavailable';
    missing[what] = [...(missing[what] ?? []), model.spec.name];
  }
  return {
    address,
    graphiql: `${address}${pages.graphiql}`,
    dashboard: `${address}${pages.dashboard}`,
    defaultModel: catalogue.defaultModel.spec.name,
    cache: describeCache(cache, places),
    ledger: describeLedger(places),
    missing,
  };
}

function describeCache({ backend }: Cache, { cache, cacheDir, redisUrls }: CachePlaces): string {
  if (!cache) return 'off; EMBEDQL_CACHE=on pays for no text twice';
  const disk = cacheDir === undefined ? [] : [`the disk (${cacheDir})`];
  const away = backend === 'redis' ? '' : ', which is out of reach at the moment';
  const redis = redisUrls.length === 0 ? [] : [`Redis${away}`];
  const behind = [...disk, ...redis];
  if (behind.length > 0) return `memory, then ${behind.join(', then ')}`;
  return 'memory; EMBEDQL_CACHE_DIR=./cache, or REDIS_URL, keeps vectors over a restart';
}

function describeLedger({ cacheDir, redisUrls, stateRedisUrls }: CachePlaces): string {
  if (redisUrls.length + stateRedisUrls.length > 0) return 'Redis';
  if (cacheDir !== undefined) return `the disk (${cacheDir})`;
  return 'memory, so that spend ends with this process; EMBEDQL_CACHE_DIR=./cache, or REDIS_URL, keeps it';
}
