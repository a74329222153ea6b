import { noCache } from '../cache/none.ts';
import { Accounting } from '../core/accounting.ts';
import type { Cache } from '../core/cache.ts';
import { Catalogue } from '../core/catalogue.ts';
import { Embedder as Core } from '../core/embedder.ts';
import { badUserInput } from '../core/errors.ts';
import type { ModelSpec } from '../core/model.ts';
import {
  type Environment,
  type Log,
  type Logger,
  type Progress,
  silentLog,
  silentProgress,
  toLog,
} from '../core/surroundings.ts';
import { DiskBooks, ledgerFolder } from '../ledger/disk-books.ts';
import { Ledger } from '../ledger/ledger.ts';
import type { ReliabilityOptions } from '../providers/dependable/reliable-model.ts';
import { openModels } from '../providers/open.ts';
import type { Provider } from '../providers/provider.ts';
import { type CacheDefinition, memoryCache } from './caches.ts';
import type { Embedder } from './embedder.ts';
import type { ModelDefinition } from './models.ts';
import { checkOptions, checkType, checkWholeNumber, kindOf } from './options.ts';
import { TextEmbedder } from './text-embedder.ts';

/** How remote providers are asked; the same for all models. */
export interface ProviderLimits {
  /** Calls in flight for each model. @default 8 */
  concurrency?: number | undefined;
  /** Milliseconds for one attempt; a call waits at most this times one more than the retries. @default 30,000 */
  timeoutMs?: number | undefined;
  /** Attempts after the first, for failures that may pass. @default 3 */
  retries?: number | undefined;
  /** Milliseconds that a provider which keeps failing is left alone. @default 10,000 */
  breakerMs?: number | undefined;
}

/** What an embedder is made from. */
export interface CreateEmbedderOptions {
  /** The models, at least one. */
  models: readonly ModelDefinition[];
  /**
   * Where vectors are kept: `memoryCache()`, `redisCache()`, or a `Cache` of your own, which is closed with the
   * embedder; false keeps none.
   * @default memoryCache()
   */
  cache?: CacheDefinition | Cache | false | undefined;
  /** The name of the model that is used where a call names none. @default the first */
  defaultModel?: string | undefined;
  /** Milliseconds that a text may be held back to fill a batch; 0 sends at the end of the tick. @default 2 */
  batchWindowMs?: number | undefined;
  /** Texts that may wait for a model; past it `OVERLOADED`. @default 10,000 */
  queueLimit?: number | undefined;
  /** How remote providers are asked. */
  limits?: ProviderLimits | undefined;
  /**
   * A folder in which what was spent is kept over restarts, for `spend()`; processes may share it.
   * @default what was spent is kept in memory
   */
  ledgerDir?: string | undefined;
  /** Where it tells what an operator should know: pino's logger, `console`, … @default nowhere */
  log?: Logger | undefined;
  /** Where it shows how far the download of a local model is. @default nowhere */
  progress?: Progress | undefined;
}

/**
 * Makes an embedder: the core of EmbedQL without a server around it. Opens models and caches; asks nothing of a
 * provider until the first text.
 *
 * @throws {EmbedQLError} rejects with `BAD_USER_INPUT` for options that cannot be used, `MODEL_NOT_FOUND` for a
 * `defaultModel` that is none of the models
 *
 * @example
 * ```ts
 * import { createEmbedder, memoryCache, openai } from 'embedql';
 *
 * const embedder = await createEmbedder({
 *   models: [openai('text-embedding-3-small', { apiKey: process.env.OPENAI_API_KEY })],
 *   cache: memoryCache({ maxBytes: 64e6 }),
 * });
 * const { vector, tokens, costUsd, cached } = await embedder.embed('cat');
 * await embedder.close();
 * ```
 */
export async function createEmbedder(options: CreateEmbedderOptions): Promise<Embedder> {
  const where = 'createEmbedder()';
  const given = checkOptions(where, options, [
    ...[
      'models',
      'cache',
      'defaultModel',
      'batchWindowMs',
      'queueLimit',
      'limits',
      'ledgerDir',
      'log',
      'progress',
    ],
  ]);
  checkType(where, given, 'defaultModel', 'string');
  checkType(where, given, 'ledgerDir', 'string');
  checkWholeNumber(where, given, 'batchWindowMs', 0, 60_000);
  checkWholeNumber(where, given, 'queueLimit', 1);
  const { batchWindowMs: windowMs = 2, queueLimit = 10_000, progress = silentProgress } = options;
  const reliability = readLimits(options.limits);
  const log = options.log ? toLog(options.log) : silentLog;

  const opened = await readDefinitions(where, given['models']);
  const specs = opened.map(({ spec }) => spec);
  const accounting = new Accounting(specs);
  const models = opened.flatMap(({ spec, provider, env, modelsDir }) =>
    openModels([spec], {
      ...{ providers: [provider], env, modelsDir, log, progress, reliability },
      events: accounting,
    }),
  );
  const catalogue = new Catalogue(models, options.defaultModel ?? specs[0]!.name);
  const cache = await openCache(where, given['cache'], log);
  const core = new Core({ catalogue, cache, events: accounting, windowMs, queueLimit });
  const { ledgerDir } = options;
  const store = ledgerDir ? new DiskBooks(ledgerFolder(ledgerDir), log) : undefined;
  const ledger = new Ledger({ store, log });
  return new TextEmbedder({ core, catalogue, accounting, cache, ledger, queueLimit });
}

/** With all attempts together still within what Node's timers take. */
const dayMs = 86_400_000;

/** A model that is ready to be opened. */
interface ReadDefinition {
  spec: ModelSpec;
  provider: Provider;
  env: Environment;
  modelsDir: string;
}

/** Loads the providers and has them read their models. */
async function readDefinitions(where: string, given: unknown): Promise<ReadDefinition[]> {
  if (!Array.isArray(given) || given.length === 0)
    throw badUserInput(
      `${where}: models must be a list of at least one model, such as openai('text-embedding-3-small').`,
    );
  const { readEntry, EntryError } = await import('../models/entry.ts');
  const { readConfig } = await import('../config/config.ts');
  const { modelsDir } = readConfig({ EMBEDQL_MODELS_DIR: process.env['EMBEDQL_MODELS_DIR'] });
  const read = await Promise.all(
    given.map(async (definition: unknown, i): Promise<ReadDefinition> => {
      if (!isDefinition(definition)) {
        const got = kindOf(definition);
        throw badUserInput(
          `${where}: models[${i}] must come from openai(), openaiCompatible(), local() or another of their kind; got ${got}.`,
        );
      }
      const { provider: given, entry, env = process.env } = definition;
      const provider = typeof given === 'function' ? await given() : given;
      try {
        const spec = readEntry({ ...entry, provider: provider.name }, [provider], ['models', i]);
        const aliases = provider.aliases?.(spec.name);
        return {
          spec: aliases ? { ...spec, aliases } : spec,
          ...{ provider, env, modelsDir: definition.modelsDir ?? modelsDir },
        };
      } catch (error) {
        throw error instanceof EntryError ? badUserInput(`${where}: ${error.message}.`) : error;
      }
    }),
  );
  for (const [i, { spec }] of read.entries()) {
    const first = read.findIndex((other) => other.spec.name === spec.name);
    if (first < i)
      throw badUserInput(`${where}: models[${i}] has the name of models[${first}]: ${spec.name}.`);
  }
  return read;
}

function isDefinition(value: unknown): value is ModelDefinition {
  return typeof value === 'object' && value !== null && 'provider' in value && 'entry' in value;
}

async function openCache(where: string, given: unknown, log: Log): Promise<Cache> {
  if (given === false) return noCache;
  const cache = given ?? memoryCache();
  if (typeof cache === 'object' && 'open' in cache) return (cache as CacheDefinition).open({ log });
  if (typeof cache === 'object' && 'getMany' in cache) return cache as Cache;
  throw badUserInput(
    `${where}: cache must come from memoryCache() or redisCache(), or be false; got ${kindOf(cache)}.`,
  );
}

function readLimits(options: ProviderLimits | undefined): ReliabilityOptions {
  const where = 'createEmbedder(): limits';
  const given = checkOptions(where, options, ['concurrency', 'timeoutMs', 'retries', 'breakerMs']);
  checkWholeNumber(where, given, 'concurrency', 1, 10_000);
  checkWholeNumber(where, given, 'timeoutMs', 1, dayMs);
  checkWholeNumber(where, given, 'retries', 0, 20);
  checkWholeNumber(where, given, 'breakerMs', 1, dayMs);
  const { concurrency = 8, timeoutMs = 30_000, retries = 3, breakerMs = 10_000 } = options ?? {};
  return { concurrency, timeoutMs, retries, breakerMs };
}
