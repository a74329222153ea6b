import type { OptionName } from '../core/errors.ts';
import { nearest } from '../core/nearest.ts';
import type { Environment } from '../core/surroundings.ts';
import { variables } from './settings.ts';
import type { Variable } from './variables.ts';

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
      'EMBEDQL_ALLOW_ANONYMOUS=on if that is meant.',
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
