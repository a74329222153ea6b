import { homedir } from 'node:os';
import path from 'node:path';
import { distance } from 'fastest-levenshtein';
import {
  anyText,
  oneOf,
  onOff,
  redisUrls,
  secretList,
  url,
  type Variable,
  wholeNumber,
} from './variables.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** Every setting there is, by its name in the configuration; `docs/operations/README.md` describes them for people. */
const variables = {
  host: ['HOST', anyText('127.0.0.1', '0.0.0.0')],
  port: ['PORT', wholeNumber(4_000, 'the port', 0, 65_535)],
  openaiApiKey: ['OPENAI_API_KEY', { ...anyText(undefined, 'sk-…'), secret: true }],
  openaiBaseUrl: ['OPENAI_BASE_URL', url('https://api.openai.com/v1')],
  redisUrls: ['REDIS_URL', redisUrls('redis://127.0.0.1:6379')],
  defaultModel: ['EMBEDQL_DEFAULT_MODEL', anyText(undefined, 'all-MiniLM-L6-v2')],
  modelsFile: ['EMBEDQL_MODELS_FILE', anyText(undefined, './models.json')],
  modelsDir: [
    'EMBEDQL_MODELS_DIR',
    anyText(path.join(homedir(), '.cache', 'embedql', 'models'), '/var/lib/embedql/models'),
  ],
  cache: ['EMBEDQL_CACHE', onOff(true)],
  cacheTtlSeconds: ['EMBEDQL_CACHE_TTL', wholeNumber(604_800, 'seconds')],
  memoryCacheMb: ['EMBEDQL_MEMORY_CACHE_MB', wholeNumber(128, 'megabytes', 1)],
  batchWindowMs: ['EMBEDQL_BATCH_WINDOW_MS', wholeNumber(2, 'milliseconds', 0, 60_000)],
  providerConcurrency: ['EMBEDQL_PROVIDER_CONCURRENCY', wholeNumber(8, 'calls', 1)],
  providerTimeoutMs: ['EMBEDQL_PROVIDER_TIMEOUT_MS', wholeNumber(30_000, 'milliseconds', 1, 86_400_000)],
  providerRetries: ['EMBEDQL_PROVIDER_RETRIES', wholeNumber(3, 'attempts', 0, 20)],
  breakerMs: ['EMBEDQL_BREAKER_MS', wholeNumber(10_000, 'milliseconds', 1)],
  queueLimit: ['EMBEDQL_QUEUE_LIMIT', wholeNumber(10_000, 'texts', 1)],
  maxTexts: ['EMBEDQL_MAX_TEXTS', wholeNumber(2_048, 'texts', 1)],
  maxBodyBytes: ['EMBEDQL_MAX_BODY_BYTES', wholeNumber(16_777_216, 'bytes', 1)],
  apiKeys: ['EMBEDQL_API_KEYS', secretList('key-one,key-two')],
  adminKeys: ['EMBEDQL_ADMIN_KEYS', secretList('admin-key')],
  graphiql: ['EMBEDQL_GRAPHIQL', onOff(true)],
  introspection: ['EMBEDQL_INTROSPECTION', onOff(true)],
  drainMs: ['EMBEDQL_DRAIN_MS', wholeNumber(10_000, 'milliseconds')],
  logLevel: ['LOG_LEVEL', oneOf(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'], 'info')],
} as const satisfies Record<string, readonly [name: string, variable: Variable<unknown>]>;

type Variables = typeof variables;

/** The settings as they are used: parsed, checked, with their defaults. */
export type Config = { readonly [Setting in keyof Variables]: ReturnType<Variables[Setting][1]['read']> } & {
  /** Names that start with EMBEDQL_ and mean nothing, with the nearest that does. */
  readonly warnings: readonly string[];
};

/** A setting that cannot be used; the message is one line that names it and shows a good one. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/** Reads the configuration. An empty variable counts as one that is not set. @throws ConfigError */
export function readConfig(env: Environment): Config {
  const entries = Object.entries(variables).map(([setting, [name, variable]]) => [
    setting,
    readVariable(name, variable, env[name]?.trim() || undefined),
  ]);
  return {
    ...(Object.fromEntries(entries) as Omit<Config, 'warnings'>),
    warnings: unknownNames(env),
  } as Config;
}

function readVariable(name: string, variable: Variable<unknown>, text: string | undefined): unknown {
  try {
    return variable.read(text);
  } catch (error) {
    const got = variable.secret ? '' : `, got ${JSON.stringify(text?.slice(0, 80))}`;
    throw new ConfigError(
      `${name}: ${(error as Error).message}${got}; for example ${name}=${variable.example}`,
    );
  }
}

function unknownNames(env: Environment): string[] {
  const known = Object.values(variables).map(([name]): string => name);
  const unknown = Object.keys(env).filter((name) => name.startsWith('EMBEDQL_') && !known.includes(name));
  return unknown.map((name) => {
    const nearest = known.reduce((best, candidate) =>
      distance(candidate, name) < distance(best, name) ? candidate : best,
    );
    return `${name} is not a setting of EmbedQL; did you mean ${nearest}?`;
  });
}
