import { homedir } from 'node:os';
import path from 'node:path';
import { redisUrls } from './redis-urls.ts';
import {
  anyText,
  keyLimits,
  keyList,
  moduleNames,
  oneOf,
  onOff,
  origins,
  url,
  type Variable,
  wholeNumber,
} from './variables.ts';

/**
 * Every setting there is, by its name in the configuration: its variable, how that is read, and what it means.
 * `npm run settings` writes them into `docs/operations/settings.md`.
 */
export const variables = {
  host: ['HOST', anyText('an address or a name of this machine', '127.0.0.1', '0.0.0.0'), 'Where to listen.'],
  port: ['PORT', wholeNumber(4_000, 'the port', 0, 65_535), '`0` picks a free port and prints it.'],
  openaiApiKey: [
    'OPENAI_API_KEY',
    { ...anyText('a key of OpenAI', undefined, 'sk-…'), secret: true },
    "For OpenAI's models. Without a key they are listed as unavailable.",
  ],
  openaiBaseUrl: ['OPENAI_BASE_URL', url('https://api.openai.com/v1', "OpenAI's"), 'Where their API is.'],
  redisUrls: [
    'REDIS_URL',
    redisUrls('redis://127.0.0.1:6379'),
    'The cache and the budgets that replicas share. One node of a Redis Cluster finds the others; several addresses are nodes of one. `redis-sentinel://[user:password@]host:26379,host2:26379/master-name[/db][?sentinelPassword=…]` asks Sentinel for the master. In user and password `/ # ? @ % ,` are percent-encoded. `NODE_EXTRA_CA_CERTS` names a CA of your own.',
  ],
  stateRedisUrls: [
    'EMBEDQL_STATE_REDIS_URL',
    redisUrls('redis://127.0.0.1:6380'),
    'Where what must not be lost lives: the ledger (`spend`), money that keys have spent and set aside, and jobs. A Redis that evicts what it has no room for should only be the cache.',
  ],
  defaultModel: [
    'EMBEDQL_DEFAULT_MODEL',
    anyText(
      'the name of a model',
      undefined,
      'all-MiniLM-L6-v2',
      '`text-embedding-3-small` with an OpenAI key, else `all-MiniLM-L6-v2`',
    ),
    'The model of requests that name none.',
  ],
  modelsFile: [
    'EMBEDQL_MODELS_FILE',
    anyText('a JSON file', undefined, './models.json'),
    'More models; see [More models](models.md#more-models).',
  ],
  providers: [
    'EMBEDQL_PROVIDERS',
    moduleNames('./acme.js'),
    'More [providers](../providers.md#adding-a-provider): each module has a `Provider` as its default export.',
  ],
  modelsDir: [
    'EMBEDQL_MODELS_DIR',
    anyText(
      'a folder',
      path.join(homedir(), '.cache', 'embedql', 'models'),
      '/var/lib/embedql/models',
      '`~/.cache/embedql/models`',
    ),
    'The weights of local models.',
  ],
  cache: ['EMBEDQL_CACHE', onOff(true), '`off` turns every tier off.'],
  cacheTtlSeconds: [
    'EMBEDQL_CACHE_TTL',
    wholeNumber(604_800, 'seconds', 0, 3_153_600_000),
    'How long an entry lives; `0` for ever.',
  ],
  memoryCacheMb: [
    'EMBEDQL_MEMORY_CACHE_MB',
    wholeNumber(128, 'megabytes', 1, 1_000_000),
    'Size of the memory tier; the least recently used entry goes first. Its hits, as text for answers, take up to as ' +
      'much again.',
  ],
  cacheDir: [
    'EMBEDQL_CACHE_DIR',
    anyText('a folder', undefined, '/var/lib/embedql/cache'),
    'A folder on a local disk that outlives the process: a restart pays for no text again. Between memory and Redis; one process writes to it, others go without meanwhile. Nothing in it is a text. See [the disk cache](cache.md#the-disk-cache).',
  ],
  diskCacheMb: [
    'EMBEDQL_DISK_CACHE_MB',
    wholeNumber(1_024, 'megabytes', 1, 1_000_000),
    'Size of the folder; the oldest entries go first, unless they are in use.',
  ],
  cacheScope: [
    'EMBEDQL_CACHE_SCOPE',
    oneOf(['shared', 'key'], 'shared'),
    '`key`: each API key has a cache of its own, so that no tenant learns from `cached`, `cost` or time what another has asked for. A text that two keys ask for is then paid for twice.',
  ],
  batchWindowMs: [
    'EMBEDQL_BATCH_WINDOW_MS',
    wholeNumber(2, 'milliseconds', 0, 60_000),
    'How long a text may be held to fill a batch; `0` sends at the end of the tick.',
  ],
  providerConcurrency: [
    'EMBEDQL_PROVIDER_CONCURRENCY',
    wholeNumber(8, 'calls', 1, 10_000),
    'Calls in flight for each remote model; fewer for a while after a 429.',
  ],
  providerTimeoutMs: [
    'EMBEDQL_PROVIDER_TIMEOUT_MS',
    wholeNumber(30_000, 'milliseconds', 1, 86_400_000),
    'One attempt. An operation waits at most for this times one more than the retries.',
  ],
  providerRetries: [
    'EMBEDQL_PROVIDER_RETRIES',
    wholeNumber(3, 'attempts', 0, 20),
    'Attempts after the first, for 408, 409, 429, 5xx, timeouts and broken connections.',
  ],
  breakerMs: [
    'EMBEDQL_BREAKER_MS',
    wholeNumber(10_000, 'milliseconds', 1, 86_400_000),
    'How long a provider is left alone that failed eight times in a row.',
  ],
  queueLimit: [
    'EMBEDQL_QUEUE_LIMIT',
    wholeNumber(10_000, 'texts', 1, 100_000_000),
    'Texts that may wait for a model; one more is `OVERLOADED`.',
  ],
  maxTexts: [
    'EMBEDQL_MAX_TEXTS',
    wholeNumber(2_048, 'texts', 1, 1_000_000),
    'Texts of one operation, over all its fields.',
  ],
  maxTokens: [
    'EMBEDQL_MAX_TOKENS',
    wholeNumber(5_000_000, 'tokens', 1, 1_000_000_000_000),
    "Tokens of all texts of one operation, each counted up to its model's limit.",
  ],
  maxJobTexts: ['EMBEDQL_MAX_JOB_TEXTS', wholeNumber(100_000, 'texts', 1, 10_000_000), 'Texts of one job.'],
  maxFileMb: [
    'EMBEDQL_MAX_FILE_MB',
    wholeNumber(200, 'megabytes', 1, 100_000),
    'Size of one file sent to `/v1/files`; a larger one gets HTTP 413.',
  ],
  jobSecret: [
    'EMBEDQL_JOB_SECRET',
    { ...anyText('a secret, the same for all replicas', undefined, 'a long random text'), secret: true },
    'Encrypts the texts of jobs and the content of files in Redis, so that any replica can go on with them. Without it they stay in `EMBEDQL_CACHE_DIR` of the replica that took them.',
  ],
  jobDays: [
    'EMBEDQL_JOB_DAYS',
    wholeNumber(7, 'days', 1, 3_650),
    'How long results and files are kept. Texts are deleted when their job ends.',
  ],
  maxBodyBytes: [
    'EMBEDQL_MAX_BODY_BYTES',
    wholeNumber(16_777_216, 'bytes', 1, 536_870_888),
    'A larger body gets HTTP 413.',
  ],
  maxAnswerBytes: [
    'EMBEDQL_MAX_ANSWER_BYTES',
    wholeNumber(134_217_728, 'bytes', 1_024, 536_870_912),
    'An operation whose answer would be larger gets `COST_LIMIT_EXCEEDED` before it runs.',
  ],
  maxBufferedMb: [
    'EMBEDQL_MAX_BUFFERED_MB',
    wholeNumber(512, 'megabytes', 1, 1_000_000),
    'Held for all clients together: bodies that arrive, and answers that clients have not read. Past it `OVERLOADED` ' +
      '(HTTP 503).',
  ],
  operationBatch: [
    'EMBEDQL_OPERATION_BATCH',
    wholeNumber(10, 'operations', 1, 100),
    'Operations of one HTTP request, sent as an array. They share the limits of one operation. `1` turns arrays off.',
  ],
  keepAliveMs: [
    'EMBEDQL_KEEP_ALIVE_MS',
    wholeNumber(65_000, 'milliseconds', 1, 3_600_000),
    'How long an idle connection is kept: longer than the load balancer in front keeps it, or that meets closed ones.',
  ],
  transferTimeoutMs: [
    'EMBEDQL_TRANSFER_TIMEOUT_MS',
    wholeNumber(60_000, 'milliseconds', 1, 86_400_000),
    'Time for a request to arrive, and for its client to read the answer; then the connection is closed.',
  ],
  apiKeys: [
    'EMBEDQL_API_KEYS',
    keyList('web:key-one,batch:key-two', 'key'),
    'When set, `/graphql`, `/v1/*` and `/metrics` require `Authorization: Bearer <key>`.',
  ],
  adminKeys: [
    'EMBEDQL_ADMIN_KEYS',
    keyList('ops:admin-key', 'admin'),
    'When set, `resetMetrics` requires one of these. They open everything else, too.',
  ],
  keyLimits: [
    'EMBEDQL_KEY_LIMITS',
    keyLimits('web:6000/min:5usd/day:100usd/month'),
    'Limits of each key; see [Keys and their limits](keys.md).',
  ],
  allowAnonymous: [
    'EMBEDQL_ALLOW_ANONYMOUS',
    onOff(false),
    '`on` if a public address without keys is intended; otherwise the server warns at the start.',
  ],
  corsOrigins: [
    'EMBEDQL_CORS_ORIGINS',
    origins('https://app.example'),
    'Web pages that may use the server from a browser.',
  ],
  graphiql: ['EMBEDQL_GRAPHIQL', onOff(true), 'Whether `/graphql` shows GraphiQL to a browser.'],
  introspection: ['EMBEDQL_INTROSPECTION', onOff(true), 'Whether clients may read the schema.'],
  drainMs: [
    'EMBEDQL_DRAIN_MS',
    wholeNumber(10_000, 'milliseconds', 0, 86_400_000),
    'How long SIGTERM waits for requests in flight.',
  ],
  logLevel: [
    'LOG_LEVEL',
    oneOf(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'], 'info'),
    'JSON lines on stdout; on a terminal, lines for people.',
  ],
} as const satisfies Record<string, readonly [name: string, variable: Variable<unknown>, meaning: string]>;

/** A variable, for documentation. */
export interface SettingDescription {
  readonly name: string;
  readonly default: string | undefined;
  /** The values that it takes, with unit and bounds. */
  readonly expected: string;
  readonly meaning: string;
}

/** Variables of others, which their own tools define; read by the parts that they concern. */
const standardVariables: readonly SettingDescription[] = [
  {
    name: 'COHERE_API_KEY',
    default: undefined,
    expected: 'a key',
    meaning: 'For models of the provider `cohere`.',
  },
  {
    name: 'VOYAGE_API_KEY',
    default: undefined,
    expected: 'a key',
    meaning: 'For models of the provider `voyage`.',
  },
  {
    name: 'GOOGLE_GENERATIVE_AI_API_KEY',
    default: undefined,
    expected: 'a key',
    meaning: 'For models of the provider `google`.',
  },
  {
    name: 'MISTRAL_API_KEY',
    default: undefined,
    expected: 'a key',
    meaning: 'For models of the provider `mistral`.',
  },
  {
    name: 'AZURE_API_KEY',
    default: undefined,
    expected: 'a key',
    meaning: 'For models of the provider `azure`.',
  },
  {
    name: 'AZURE_RESOURCE_NAME',
    default: undefined,
    expected: 'a name',
    meaning: 'The resource of models of the provider `azure` whose entry names none.',
  },
  {
    name: 'AWS_BEARER_TOKEN_BEDROCK',
    default: undefined,
    expected: 'a key',
    meaning:
      'For models of the provider `bedrock`; without it `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`.',
  },
  {
    name: 'AWS_REGION',
    default: undefined,
    expected: 'a region',
    meaning: 'Of models of the provider `bedrock` whose entry names none; else `AWS_DEFAULT_REGION`.',
  },
  {
    name: 'OTEL_EXPORTER_OTLP_ENDPOINT',
    default: undefined,
    expected: 'an http:// or https:// address',
    meaning: 'Turns tracing on: spans go to `/v1/traces` below it.',
  },
  {
    name: 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT',
    default: undefined,
    expected: 'an http:// or https:// address',
    meaning: 'The same, as the whole address for spans.',
  },
  {
    name: 'OTEL_TRACES_EXPORTER',
    default: 'otlp',
    expected: 'otlp, console or none',
    meaning: '`console` prints spans on stdout; `none` turns tracing off.',
  },
  {
    name: 'OTEL_SERVICE_NAME',
    default: 'embedql',
    expected: 'a name',
    meaning: 'The name of this server in traces.',
  },
  {
    name: 'OTEL_SDK_DISABLED',
    default: 'false',
    expected: 'true or false',
    meaning: '`true` turns tracing off.',
  },
  {
    name: 'HF_ENDPOINT',
    default: 'the public hub',
    expected: 'an http:// or https:// address',
    meaning: 'The hub that weights are fetched from.',
  },
  {
    name: 'HF_TOKEN',
    default: undefined,
    expected: 'a token of the hub',
    meaning: 'For models that the hub does not give to everybody.',
  },
  {
    name: 'HF_HUB_OFFLINE',
    default: '0',
    expected: '1 or 0',
    meaning: '`1`: nothing is fetched; only weights on this machine are used.',
  },
];

/** Everything that the environment can say, in the order of the documentation. */
export function describeSettings(): readonly SettingDescription[] {
  const ours = Object.values(variables).map(
    ([name, variable, meaning]: readonly [string, Variable<unknown>, string]) => ({
      name,
      default: variable.default,
      expected: variable.expected,
      meaning,
    }),
  );
  return [...ours, ...standardVariables];
}
