import { type Maintenance, openMaintenance } from '../cache/redis/maintenance.ts';
import { errorWord } from '../cache/redis/util.ts';
import { type Config, ConfigError } from '../config/config.ts';
import { table } from './table.ts';

const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;

/** What lies in Redis, by model. @throws ConfigError when Redis is not configured or cannot be reached. */
export function cacheStats(model: string | undefined, config: Config): Promise<string> {
  return withRedis(config, async (maintenance) => {
    const rows = await maintenance.stats(model);
    if (rows.length === 0) return 'There is nothing in the cache.\n';
    return table(
      ['MODEL', 'DOCUMENTS', 'QUERIES', 'VALUES'],
      rows.map(({ identity, documents, queries, bytes }) => [
        identity,
        String(documents),
        String(queries),
        megabytes(bytes),
      ]),
    );
  });
}

/** Removes what a model has in Redis. */
export function clearCache(model: string | undefined, config: Config): Promise<string> {
  return withRedis(config, async (maintenance) => {
    const removed = await maintenance.clear(model);
    return `${removed} entries${model === undefined ? '' : ` of ${model}`} removed. Running servers may still have some in memory.\n`;
  });
}

async function withRedis<Result>(
  config: Config,
  work: (maintenance: Maintenance) => Promise<Result>,
): Promise<Result> {
  if (config.redisUrls.length === 0) {
    throw new ConfigError('REDIS_URL: must be set; for example REDIS_URL=redis://127.0.0.1:6379');
  }
  const maintenance = openMaintenance(config.redisUrls);
  try {
    return await work(maintenance);
  } catch (error) {
    throw new ConfigError(
      `REDIS_URL: Redis does not answer (${errorWord(error) ?? 'no connection'}); check the address and the password`,
    );
  } finally {
    maintenance.close();
  }
}
