import { homedir } from 'node:os';
import path from 'node:path';
import type { OptionName } from '../core/errors.ts';
import { nearest } from '../core/nearest.ts';
import type { Environment } from '../core/surroundings.ts';
import {
  anyText,
  keyLimits,
  keyList,
  moduleNames,
  oneOf,
  onOff,
  origins,
  redisUrls,
  url,
  type Variable,
  wholeNumber,
} from './variables.ts';

/** Every setting there is, by its name in the configuration; `docs/operations/README.md` describes them for people. */
const variables = {
  host: ['HOST', anyText('127.0.0.1', '0.0.0.0')],
  port: ['PORT', wholeNumber(4_000, 'the port', 0, 65_535)],
  openaiApiKey: ['OPENAI_API_KEY', { ...anyText(undefined, 'sk-…'), secret: true }],
  openaiBaseUrl: ['OPENAI_BASE_URL', url('https://api.openai.com/v1')],
  redisUrls: ['REDIS_URL', redisUrls('redis://127.0.0.1:6379')],
  defaultModel: ['EMBEDQL_DEFAULT_MODEL', anyText(undefined, 'all-MiniLM-L6-v2')],
  modelsFile: ['EMBEDQL_MODELS_FILE', anyText(undefined, './models.json')],
  providers: ['EMBEDQL_PROVIDERS', moduleNames('./acme.js')],
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
  maxTokens: ['EMBEDQL_MAX_TOKENS', wholeNumber(5_000_000, 'tokens', 1)],
  maxBodyBytes: ['EMBEDQL_MAX_BODY_BYTES', wholeNumber(16_777_216, 'bytes', 1)],
  maxAnswerBytes: ['EMBEDQL_MAX_ANSWER_BYTES', wholeNumber(134_217_728, 'bytes', 1_024, 536_870_912)],
  maxBufferedMb: ['EMBEDQL_MAX_BUFFERED_MB', wholeNumber(512, 'megabytes', 1)],
  transferTimeoutMs: ['EMBEDQL_TRANSFER_TIMEOUT_MS', wholeNumber(60_000, 'milliseconds', 1, 86_400_000)],
  apiKeys: ['EMBEDQL_API_KEYS', keyList('web:key-one,batch:key-two', 'key')],
  adminKeys: ['EMBEDQL_ADMIN_KEYS', keyList('ops:admin-key', 'admin')],
  keyLimits: ['EMBEDQL_KEY_LIMITS', keyLimits('web:6000/min:5usd/day')],
  allowAnonymous: ['EMBEDQL_ALLOW_ANONYMOUS', onOff(false)],
  corsOrigins: ['EMBEDQL_CORS_ORIGINS', origins('https://app.example')],
  graphiql: ['EMBEDQL_GRAPHIQL', onOff(true)],
  introspection: ['EMBEDQL_INTROSPECTION', onOff(true)],
  drainMs: ['EMBEDQL_DRAIN_MS', wholeNumber(10_000, 'milliseconds')],
  logLevel: ['LOG_LEVEL', oneOf(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'], 'info')],
} as const satisfies Record<string, readonly [name: string, variable: Variable<unknown>]>;

type Variables = typeof variables;

/** The settings as they are used: parsed, checked, with their defaults. */
export type Config = { readonly [Setting in keyof Variables]: ReturnType<Variables[Setting][1]['read']> } & {
  /** What the operator should know: names that mean nothing, doors that stand open. */
  readonly warnings: readonly string[];
};

/**
 * A setting that cannot be used; the message is one line that names it and shows a good one.
 *
 * @example
 * await createServer({ env }).catch((error) => {
 *   if (!(error instanceof ConfigError)) throw error;
 *   console.error(error.message);
 *   process.exit(1);
 * });
 */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/** Where an option is set that has another name in the code that it concerns. */
const aliases: Partial<Record<OptionName, keyof Variables>> = { timeoutMs: 'providerTimeoutMs' };

/** The variable of the environment that an option of the core, of admission or of HTTP is set with. */
export function variableOf(option: OptionName): string {
  const setting = aliases[option] ?? (option as Exclude<OptionName, 'timeoutMs'>);
  return variables[setting][0];
}

/** Reads the configuration. An empty variable counts as one that is not set. @throws ConfigError */
export function readConfig(env: Environment): Config {
  const entries = Object.entries(variables).map(([setting, [name, variable]]) => [
    setting,
    readVariable(name, variable, env[name]?.trim() || undefined),
  ]);
  const config = Object.fromEntries(entries) as Omit<Config, 'warnings'>;
  return { ...config, warnings: [...unknownNames(env), ...openDoors(config), ...unknownKeys(config)] };
}

/** Whoever can reach the server can spend the owner's money. @returns a warning, where that is not only this machine */
export function openDoors({
  host,
  apiKeys,
  allowAnonymous,
}: Pick<Config, 'host' | 'apiKeys' | 'allowAnonymous'>): string[] {
  const isLocal = host === 'localhost' || host === '::1' || /^127\./.test(host);
  if (isLocal || apiKeys.length > 0 || allowAnonymous) return [];
  return [
    `ANYBODY WHO CAN REACH ${host} CAN USE THIS SERVER, AND SPEND WHAT ITS PROVIDERS CHARGE: set EMBEDQL_API_KEYS, or ` +
      'EMBEDQL_ALLOW_ANONYMOUS=1 if that is meant.',
  ];
}

function unknownKeys({ keyLimits: limits, apiKeys, adminKeys }: Omit<Config, 'warnings'>): string[] {
  const names = new Set(['*', 'anonymous', ...[...apiKeys, ...adminKeys].map(({ name }) => name)]);
  return [...limits.keys()]
    .filter((name) => !names.has(name))
    .map((name) => `EMBEDQL_KEY_LIMITS limits ${name}, but no key has that name.`);
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
  return unknown.map((name) => `${name} is not a setting of EmbedQL; did you mean ${nearest(name, known)}?`);
}
