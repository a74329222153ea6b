import type { IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Admission } from './admission/admission.ts';
import { writeBudget } from './admission/budget-header.ts';
import { KeyBudgets } from './admission/key-budgets.ts';
import { createAuthenticate } from './admission/keys.ts';
import { DiskTier } from './cache/disk/disk-tier.ts';
import { MemoryCache } from './cache/memory.ts';
import { noCache } from './cache/none.ts';
import {
  budgetWaitMs,
  forServing,
  linkBudgets,
  linkRedis,
  type Patience,
  type RedisLink,
} from './cache/redis/connect.ts';
import { RedisTier } from './cache/redis/redis-tier.ts';
import { documentWaitMs, redisDocuments } from './cache/redis/shared-documents.ts';
import { TieredCache } from './cache/tiers.ts';
import type { Config } from './config/config.ts';
import { ConfigError, variableOf } from './config/config.ts';
import { Accounting, costOf } from './core/accounting.ts';
import type { Cache } from './core/cache.ts';
import { Catalogue } from './core/catalogue.ts';
import type { Clock } from './core/clock.ts';
import { Embedder } from './core/embedder.ts';
import { describeError, toEmbedQLError } from './core/errors.ts';
import type { CacheEvents, CanaryCall } from './core/events.ts';
import { fanOut, silentEvents } from './core/events.ts';
import { History } from './core/history.ts';
import type { EmbeddingModel, EndpointStatus } from './core/model.ts';
import type { Environment, Log, Progress } from './core/surroundings.ts';
import { graphqlErrors } from './doors/graphql/coded-error.ts';
import { createDoor } from './doors/graphql/door.ts';
import { graphqlPath } from './doors/graphql/engine.ts';
import { createGraphQLHandler } from './doors/graphql/handler.ts';
import type { SharedDocuments } from './doors/graphql/persisted-queries.ts';
import { createWebSockets } from './doors/graphql/web-sockets.ts';
import { openaiElsewhere, openaiRoutes } from './doors/openai/routes.ts';
import { decodeTokenLists } from './doors/openai/token-lists.ts';
import { OperationLog } from './doors/operation-log.ts';
import { dashboardRoutes } from './doors/pages/dashboard.ts';
import { createGraphiQLPage } from './doors/pages/graphiql.ts';
import { createReadiness, health } from './doors/pages/health.ts';
import { createMetricsPage } from './doors/pages/metrics.ts';
import type { Services } from './doors/services.ts';
import { hasTooMuchInside } from './http/body.ts';
import { createDispatch, type RequestListener } from './http/dispatch.ts';
import type { Route } from './http/route.ts';
import { createHttpServer } from './http/server.ts';
import { createUpgrade, type UpgradeListener } from './http/upgrade.ts';
import { openDiskVault } from './jobs/disk-vault.ts';
import { Jobs, type JobsOptions } from './jobs/jobs.ts';
import { LocalCrew } from './jobs/local-crew.ts';
import { openRedisVault } from './jobs/redis-vault.ts';
import type { BookStore } from './ledger/book-store.ts';
import { DiskBooks, ledgerFolder } from './ledger/disk-books.ts';
import { Ledger } from './ledger/ledger.ts';
import { RedisBooks } from './ledger/redis-books.ts';
import { loadProviders } from './models/providers.ts';
import { defaultModelName, modelSpecs } from './models/specs.ts';
import { openModels } from './providers/open.ts';
import type { Provider } from './providers/provider.ts';
import { PrometheusMetrics } from './telemetry/prometheus.ts';
import { startReport } from './telemetry/start-report.ts';
import { createTracing } from './telemetry/tracing.ts';
import { version } from './version.ts';
import { EncodedVectors } from './wire/vector-text.ts';

export interface AppOptions {
  config: Config;
  /** For the providers' own variables. */
  env: Environment;
  log: Log;
  progress: Progress;
  /** Default: the built-in ones and those of `EMBEDQL_PROVIDERS`. */
  providers?: readonly Provider[];
  /** Milliseconds that the disk and Redis may keep a request waiting. Default: what a server can afford. */
  cacheWaitMs?: number;
  /** What stands in front of every path, such as `/ai`. Default: nothing. */
  basePath?: string;
  /** Whether it goes on with jobs that were begun before. Default: true. */
  runsJobs?: boolean;
  /** Time as jobs see it. Default: the real time. */
  jobClock?: Clock;
}

export interface App {
  readonly services: Services;
  readonly listener: RequestListener;
  readonly upgrade: UpgradeListener;
  /** Where it listens; undefined where it does not. */
  readonly address: string | undefined;
  /** Makes the default model, the disk and Redis ready, as far as they can be. */
  prepare(): Promise<void>;
  /** Prepares and listens. Default: where the configuration says. @returns the address. @throws ConfigError */
  listen(at?: { host?: string | undefined; port?: number | undefined }): Promise<string>;
  /** Finishes what is in flight and lets go of everything. */
  close(): Promise<void>;
}

/** The only place where the parts are put together. @throws ConfigError */
export async function createApp({
  config,
  env,
  log,
  progress,
  providers: given,
  cacheWaitMs = 240,
  basePath = '',
  runsJobs = true,
  jobClock,
}: AppOptions): Promise<App> {
  const tracing = await createTracing(env, version);
  const providers = given ?? (await loadProviders(config.providers));
  const specs = modelSpecs(config, providers);
  const accounting = new Accounting(specs);
  const history = new History(specs);
  const ledger = new Ledger({ store: openBooks(config, log), log });
  const prometheus = new PrometheusMetrics({
    specs,
    queueDepths: () => embedder.queueDepths(),
    endpoints: () => endpointsOf(models),
    cacheDegraded: () => cache.degraded,
    ledgerBehindMs: () => ledger.behindMs,
    moneyLeft: () => budgets.allMoneyLeft(),
  });
  const events = fanOut([accounting, history, prometheus]);
  // Documents and budgets are asked of Redis, too, and a request waits for it no longer for that.
  const waitMs = cacheWaitMs - documentWaitMs - (config.keyLimits.size > 0 ? budgetWaitMs : 0);
  const { cache, ready, documents } = createCache(config, waitMs, prometheus, log);
  const models: EmbeddingModel[] = openModels(specs, {
    providers,
    env,
    modelsDir: config.modelsDir,
    log,
    progress,
    events: fanOut([events, { ...silentEvents, canary: (call) => bookCanary(call) }]),
    reliability: {
      concurrency: config.providerConcurrency,
      timeoutMs: config.providerTimeoutMs,
      retries: config.providerRetries,
      breakerMs: config.breakerMs,
    },
  });
  const catalogue = new Catalogue(models, defaultModelName(config, specs));
  const embedder: Embedder = new Embedder({
    catalogue,
    cache,
    events,
    cachePerKey: config.cacheScope === 'key',
    windowMs: config.batchWindowMs,
    queueLimit: config.queueLimit,
    tracer: tracing.tracer,
    cacheWaitMs: waitMs,
    log,
  });
  const stateUrls = config.stateRedisUrls.length > 0 ? config.stateRedisUrls : config.redisUrls;
  const budgetRedis = config.keyLimits.size > 0 ? linkBudgets(stateUrls) : undefined;
  const budgets = new KeyBudgets({
    limits: config.keyLimits,
    redis: budgetRedis,
    holdMs: config.providerTimeoutMs * (config.providerRetries + 1) + budgetHoldMarginMs,
    onCharge: (...charge) => prometheus.charged(...charge),
    onLow: (key, { per, limitUsd, leftUsd }) =>
      log.warn(
        { key, per, limitUsd, leftUsd },
        `The key ${key} has used 80 % of its ${limitUsd} USD for the ${per}.`,
      ),
    accountOf: (key, tag, job) => ledger.account(key, tag, job),
  });
  const limitsMoney = [...config.keyLimits.values()].some(
    ({ usdPerDay, usdPerMonth }) => usdPerDay !== undefined || usdPerMonth !== undefined,
  );
  const budgetLeft = limitsMoney ? (key: string) => writeBudget(budgets.moneyLeft(key)) : undefined;
  const bookCanary = ({ model, tokens, tokensEstimated }: CanaryCall) => {
    const { spec } = catalogue.get(model);
    if (tokens > 0) budgets.payer(canaryKey).charged(costOf(tokens, spec), tokens, model, tokensEstimated);
  };
  const stopping = new AbortController();
  const admission = new Admission(config, budgets, prometheus);
  const jobs = createJobs(config, {
    catalogue,
    embedder,
    admission,
    budgets,
    books: ledger,
    log,
    basePath,
    ...(jobClock ? { clock: jobClock } : {}),
  });
  const services: Services = {
    catalogue,
    embedder,
    cache,
    accounting,
    history,
    version,
    encoded: new EncodedVectors(config.memoryCacheMb * 1_000_000),
    operations: new OperationLog({
      log,
      tracing,
      budgetLeft,
      events: {
        operation(report) {
          accounting.operation(report);
          history.operation(report);
          prometheus.operation(report);
        },
      },
    }),
    nameOption: variableOf,
    admission,
    jobs,
    ledger,
    limits: config,
    stopping: stopping.signal,
  };

  const errors = graphqlErrors(variableOf);
  const authenticate = createAuthenticate(config);
  const door = createDoor(services, config, log, documents);
  const routes: Route[] = [
    {
      path: graphqlPath,
      aliases: [`${graphqlPath}/`],
      methods: ['GET', 'POST', 'PUT', 'DELETE'],
      guarded: true,
      // Without GraphiQL the same request is a query.
      ...(config.graphiql ? { page: { isRequested: requestsPage, handle: createGraphiQLPage() } } : {}),
      handle: createGraphQLHandler(door),
    },
    ...dashboardRoutes(),
    ...openaiRoutes(services, config, log),
    { path: '/metrics', aliases: ['/metrics/'], guarded: true, handle: createMetricsPage(prometheus) },
    { path: '/health', aliases: ['/health/'], guarded: false, handle: health },
    {
      path: '/ready',
      aliases: ['/ready/'],
      guarded: false,
      handle: createReadiness(() => (stopping.signal.aborted ? 'shutting down' : unavailable(catalogue))),
    },
  ];
  const dispatch = createDispatch({
    routes,
    elsewhere: [openaiElsewhere(services)],
    basePath,
    errors,
    authenticate,
    budgetLeft,
    corsOrigins: config.corsOrigins,
    maxBufferedBytes: config.maxBufferedMb * 1_000_000,
    maxAnswerBytes: config.maxAnswerBytes,
    transferTimeoutMs: config.transferTimeoutMs,
    log,
    nameOption: variableOf,
  });

  const webSockets = createWebSockets({
    door,
    authenticate,
    buffers: dispatch.buffers,
    log,
    onCount: (open) => prometheus.webSockets(open),
  });
  const upgrade = createUpgrade({
    path: graphqlPath,
    basePath,
    errors,
    corsOrigins: config.corsOrigins,
    refusal: dispatch.refusal,
    onCrossOrigin: dispatch.refuseOrigin,
    accept: webSockets.accept,
  });
  const server = createHttpServer(dispatch.listener, config, dispatch.errorsFor, upgrade);
  let address: string | undefined;
  let closing: Promise<void> | undefined;

  const prepare = async () => {
    await Promise.all([
      prepareDefaultModel(catalogue, log),
      ready(cacheStartMs),
      ledger.ready(),
      runsJobs ? jobs.ready() : undefined,
    ]);
  };

  const close = async () => {
    stopping.abort();
    const until = Date.now() + config.drainMs;
    await Promise.all([
      server.close(config.drainMs),
      dispatch.drain(config.drainMs),
      webSockets.drain(config.drainMs),
    ]);
    address = undefined;
    await jobs.close();
    // What is at a provider is paid: let it come back and be kept, as far as there is time.
    while (embedder.underWay > 0 && Date.now() < until) await sleep(20);
    budgetRedis?.close();
    // What is under way is booked by now.
    await ledger.close();
    await Promise.all([cache.close(), tracing.close(), ...models.map((model) => model.close())]);
  };

  return {
    services,
    listener: dispatch.listener,
    upgrade,
    get address() {
      return address;
    },
    prepare,
    async listen({ host = config.host, port = config.port } = {}) {
      await prepare();
      if (closing) throw new Error('The server was closed before it listened.');
      address = await server.listen(host, port).catch((error: unknown) => {
        throw cannotListen(error, { host, port });
      });
      const pages = { graphiql: `${basePath}${graphqlPath}`, dashboard: `${basePath}/` };
      const listening = startReport(address, pages, { catalogue, cache, places: config });
      const addresses = `GraphiQL: ${listening.graphiql}; dashboard: ${listening.dashboard}`;
      log.info(listening, `EmbedQL is listening; ${addresses}`);
      return address;
    },
    close() {
      closing ??= close();
      return closing;
    },
  };
}

/** The key under which the books have what endpoints are asked by nobody (contract, section 6). */
const canaryKey = 'canary';

function endpointsOf(models: readonly EmbeddingModel[]): Array<{ model: string } & EndpointStatus> {
  return models.flatMap((model) =>
    (model.endpoints?.() ?? []).map((status) => ({ model: model.spec.name, ...status })),
  );
}

/** Milliseconds that money stays set aside beyond the longest that a provider can take. */
const budgetHoldMarginMs = 60_000;

/** Milliseconds that the start waits for the disk and for Redis, so that the first requests find them. It starts without, too. */
const cacheStartMs = 1_000;

function createCache(
  config: Config,
  waitMs: number,
  events: CacheEvents,
  log: Log,
): { cache: Cache; ready(ms: number): Promise<unknown>; documents?: SharedDocuments } {
  if (!config.cache) return { cache: noCache, ready: async () => {} };
  const { cacheTtlSeconds: ttlSeconds, cacheDir: dir, redisUrls } = config;
  const memory = new MemoryCache({ maxBytes: config.memoryCacheMb * 1_000_000, ttlSeconds });
  const shared = { ttlSeconds, events, log };
  const maxBytes = config.diskCacheMb * 1_000_000;
  const disk = dir
    ? new DiskTier({ dir, maxBytes, isInUse: (key) => memory.has(key), ...shared })
    : undefined;
  if (redisUrls.length === 0)
    return { cache: disk ? new TieredCache({ memory, disk }) : memory, ready: async (ms) => disk?.ready(ms) };
  const link = linkRedis(redisUrls, forServing);
  const redis = new RedisTier(link, { ...shared, waitMs });
  return {
    cache: new TieredCache({ memory, disk, redis }),
    ready: (ms) => Promise.all([disk?.ready(ms), redis.ready(ms)]),
    documents: redisDocuments(link, () => redis.available),
  };
}

function createJobs(
  config: Config,
  parts: Pick<
    JobsOptions,
    'catalogue' | 'embedder' | 'admission' | 'budgets' | 'books' | 'log' | 'basePath' | 'clock'
  >,
): Jobs {
  const { cacheDir, maxBodyBytes, jobSecret } = config;
  const keepMs = config.jobDays * 86_400_000;
  const stateUrls = config.stateRedisUrls.length > 0 ? config.stateRedisUrls : config.redisUrls;
  const { log } = parts;
  const hasPlace = cacheDir !== undefined || (jobSecret !== undefined && stateUrls.length > 0);
  return new Jobs({
    ...parts,
    open: async () => {
      if (stateUrls.length > 0) {
        const connect = () => quietly(linkRedis(stateUrls, forServing, jobsConnection));
        const connectPatiently = () => quietly(linkRedis(stateUrls, forWorkers, workersConnection));
        return openRedisVault({ connect, connectPatiently, secret: jobSecret, cacheDir, keepMs, log });
      }
      const vault = await openDiskVault(cacheDir!, log);
      return vault && { vault, crew: new LocalCrew(vault.records, log) };
    },
    unavailable: hasPlace ? undefined : noPlaceForJobs,
    nameOption: variableOf,
    decodeTokens: (lists, line) =>
      decodeTokenLists(lists, { limit: maxBodyBytes, placeOf: (i) => `input[${i}] of line ${line}` }),
    maxTexts: config.maxJobTexts,
    maxFileBytes: config.maxFileMb * 1_000_000,
    lines: { maxBytes: maxBodyBytes, hasTooMuchInside: (json) => hasTooMuchInside(json, maxBodyBytes) },
    queueLimit: config.queueLimit,
    keepMs,
    spoolFolder: cacheDir === undefined ? tmpdir() : path.join(cacheDir, 'jobs', 'spool'),
  });
}

/** Milliseconds for a command that carries megabytes. */
const jobsConnection = { commandTimeout: 10_000, socketTimeout: 15_000 };

/** A worker waits for its next job in a command. */
const forWorkers: Patience = { queueWhileOffline: true, reconnectMs: forServing.reconnectMs };
const workersConnection = { maxRetriesPerRequest: null, commandTimeout: undefined, socketTimeout: undefined };

/** That Redis is away is told by the cache. */
function quietly(link: RedisLink): RedisLink {
  link.onError(() => {});
  return link;
}

const noPlaceForJobs =
  'This server has no place for the texts of jobs; set EMBEDQL_CACHE_DIR, or EMBEDQL_JOB_SECRET with a Redis.';

/**
 * Where the books are kept: in Redis, for all replicas; else on the disk.
 * @param patience with a Redis that is away @returns undefined where there is nowhere to keep them but in memory
 */
export function openBooks(
  { stateRedisUrls, redisUrls, cacheDir }: Config,
  log: Log,
  patience: Patience = forServing,
): BookStore | undefined {
  const urls = stateRedisUrls.length > 0 ? stateRedisUrls : redisUrls;
  if (urls.length > 0) {
    const link = linkRedis(urls, patience);
    // That Redis is away is told by the cache, and what that means for the books by the ledger.
    link.onError(() => {});
    return new RedisBooks(link, { log, ...(patience === forServing ? {} : { waitMs: 5_000 }) });
  }
  return cacheDir === undefined ? undefined : new DiskBooks(ledgerFolder(cacheDir), log);
}

/** Loads the default model. A failure is logged and does not stop the start: the first request tries again. */
async function prepareDefaultModel({ defaultModel }: Catalogue, log: Log): Promise<void> {
  try {
    await defaultModel.identity();
  } catch (error) {
    log.warn({ model: defaultModel.spec.name }, describeError(toEmbedQLError(error), variableOf));
  }
}

function unavailable({ defaultModel }: Catalogue): string | undefined {
  const { available, reason } = defaultModel.status();
  return available ? undefined : (reason ?? `${defaultModel.spec.name} is unavailable`);
}

/** What the system says of an address that cannot be had, as a setting to change. */
function cannotListen(error: unknown, { host, port }: Pick<Config, 'host' | 'port'>): unknown {
  const reasons: Record<string, string> = {
    EADDRINUSE: `PORT: ${port} is taken on ${host}; for example PORT=${port + 1}`,
    EACCES: `PORT: ${port} may not be used by this user; for example PORT=4000`,
    EADDRNOTAVAIL: `HOST: ${host} is not an address of this machine; for example HOST=127.0.0.1`,
    ENOTFOUND: `HOST: ${host} is not an address of this machine; for example HOST=127.0.0.1`,
  };
  const reason = reasons[(error as NodeJS.ErrnoException).code ?? ''];
  return reason ? new ConfigError(reason) : error;
}

function requestsPage({ method, headers }: IncomingMessage): boolean {
  return method === 'GET' && (headers.accept ?? '').includes('text/html');
}
