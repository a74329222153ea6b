import { openDiskMaintenance } from '../cache/disk/maintenance.ts';
import { type IdentityStats, isIdentityOf, type Maintenance } from '../cache/maintenance.ts';
import { openMaintenance } from '../cache/redis/maintenance.ts';
import { errorWord } from '../cache/wait.ts';
import { type Config, ConfigError } from '../config/config.ts';
import { modelNotFound, specNamed } from '../core/catalogue.ts';
import { loadProviders } from '../models/providers.ts';
import { modelSpecs } from '../models/specs.ts';
import { table } from './table.ts';

const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;

/** A tier that outlives the process, and how to look after it. */
interface Tier {
  name: 'disk' | 'Redis';
  maintenance: Maintenance;
  /** What to say where it cannot be had. */
  explain(error: unknown): string;
}

/** What lies on the disk and in Redis, by model. @throws ConfigError when neither is configured or one cannot be reached. */
export async function cacheStats(model: string | undefined, config: Config): Promise<string> {
  const rows: string[][] = [];
  const named = await nameInCache(model, config);
  await eachTier(config, async (name, maintenance) => {
    const found = await maintenance.stats(named);
    rows.push(...found.map((stats) => [...describe(stats), name]));
  });
  if (rows.length === 0) return 'There is nothing in the cache.\n';
  const columns = ['MODEL', 'DOCUMENTS', 'QUERIES', 'VALUES', 'IN'];
  // Where there is only one place, nobody asks which.
  const shown = config.cacheDir === undefined || config.redisUrls.length === 0 ? 4 : 5;
  return table(
    columns.slice(0, shown),
    rows.map((row) => row.slice(0, shown)),
  );
}

function describe({ identity, documents, queries, bytes }: IdentityStats): string[] {
  return [identity, String(documents), String(queries), megabytes(bytes)];
}

/** Removes what a model has on the disk and in Redis. @throws ConfigError, EmbedQLError MODEL_NOT_FOUND for a name that nothing has */
export async function clearCache(model: string | undefined, config: Config): Promise<string> {
  const named = await nameInCache(model, config);
  const of = named === undefined ? '' : ` of ${named}`;
  let said = '';
  await eachTier(config, async (name, maintenance) => {
    const removed = await maintenance.clear(named);
    said += `${removed} entries${of} removed from ${name === 'disk' ? 'the disk' : name}.\n`;
  });
  return `${said}Running servers may still have some in memory.\n`;
}

/**
 * The name that entries of a model have. A model may be in the catalogue, or have been there when its vectors were kept.
 * @throws EmbedQLError MODEL_NOT_FOUND
 */
async function nameInCache(model: string | undefined, config: Config): Promise<string | undefined> {
  if (model === undefined) return undefined;
  const specs = modelSpecs(config, await loadProviders(config.providers));
  const spec = specNamed(specs, model);
  if (spec) return spec.name;
  const kept = new Set<string>();
  await eachTier(config, async (_name, maintenance) => {
    for (const { identity } of await maintenance.stats()) kept.add(identity);
  });
  if ([...kept].some((identity) => isIdentityOf(identity, model))) return model;
  throw modelNotFound(model, [...new Set([...specs.map(({ name }) => name), ...kept])]);
}

async function eachTier(
  config: Config,
  work: (name: Tier['name'], maintenance: Maintenance) => Promise<void>,
): Promise<void> {
  const tiers = openTiers(config);
  if (tiers.length === 0) {
    throw new ConfigError(
      'EMBEDQL_CACHE_DIR: must be set, or REDIS_URL; for example EMBEDQL_CACHE_DIR=/var/lib/embedql/cache',
    );
  }
  try {
    for (const { name, maintenance, explain } of tiers)
      await work(name, maintenance).catch((error: unknown) => {
        throw new ConfigError(explain(error));
      });
  } finally {
    await Promise.all(tiers.map(({ maintenance }) => maintenance.close()));
  }
}

function openTiers({ cacheDir, redisUrls }: Config): Tier[] {
  const tiers: Tier[] = [];
  if (cacheDir !== undefined)
    tiers.push({
      name: 'disk',
      maintenance: openDiskMaintenance(cacheDir),
      explain: (error) =>
        `EMBEDQL_CACHE_DIR: the folder cannot be used (${errorWord(error) ?? 'its server does not answer'}); check that this user may read and write it`,
    });
  if (redisUrls.length > 0)
    tiers.push({
      name: 'Redis',
      maintenance: openMaintenance(redisUrls),
      explain: (error) =>
        `REDIS_URL: Redis does not answer (${errorWord(error) ?? 'no connection'}); check the address and the password`,
    });
  return tiers;
}
