import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { resolve } from 'import-meta-resolve';
import { z } from 'zod';
import { ConfigError } from '../config/config.ts';
import type { ModelSpec } from '../core/model.ts';
import type { Provider } from '../providers/provider.ts';
import { providers as builtinProviders } from '../providers/registry.ts';
import { commonMembers, EntryError, parse, readEntry } from './entry.ts';

/**
 * The built-in providers and those that `EMBEDQL_PROVIDERS` names.
 * @param modules packages or files, resolved from `directory`. @throws ConfigError
 */
export async function loadProviders(
  modules: readonly string[],
  directory = process.cwd(),
): Promise<readonly Provider[]> {
  const providers = [...builtinProviders];
  for (const name of modules) {
    const provider = checkProvider(name, await importDefault(name, directory));
    if (providers.some((other) => other.name === provider.name)) {
      throw unusable(name, `its name, ${provider.name}, is taken by another provider`);
    }
    providers.push(provider);
  }
  return providers;
}

/** The models that a provider brings itself. @throws ConfigError */
export function modelsOf(provider: Provider): ModelSpec[] {
  return (provider.models ?? []).map((entry, i) => {
    try {
      return readEntry({ ...entry, provider: provider.name }, [provider], ['models', i]);
    } catch (error) {
      if (!(error instanceof EntryError)) throw error;
      throw new ConfigError(`EMBEDQL_PROVIDERS: the provider ${provider.name} is wrong at ${error.message}`);
    }
  });
}

async function importDefault(name: string, directory: string): Promise<unknown> {
  const isFile = /^\.{0,2}[\\/]/.test(name) || path.isAbsolute(name);
  let found: string;
  try {
    const file = pathToFileURL(path.resolve(directory, name)).href;
    found = isFile ? file : resolve(name, pathToFileURL(path.join(directory, 'resolve.js')).href);
  } catch {
    throw unusable(
      name,
      `there is no such package in ${directory}; install it, or write ./${name} for a file`,
    );
  }
  let module: Record<string, unknown>;
  try {
    module = (await import(found)) as Record<string, unknown>;
  } catch (error) {
    throw unusable(name, `cannot be imported (${oneLine(error)})`);
  }
  if (module['default'] !== undefined) return module['default'];
  const others = Object.keys(module);
  throw unusable(
    name,
    `has no default export${others.length > 0 ? `; it exports only ${others.slice(0, 5).join(', ')}` : ''}; add "export default provider"`,
  );
}

const defaultsSchema = z.strictObject({
  maxBatchSize: z.int().positive().optional(),
  maxInputTokens: z.int().positive().optional(),
  maxBatchTokens: z.int().positive().optional(),
  costPer1kTokens: z.number().nonnegative().nullable().optional(),
  supportsDimensions: z.boolean().optional(),
});

/** What a stranger's module exports, as far as can be said without calling it. */
function checkProvider(module: string, exported: unknown): Provider {
  const wrong = (problem: string) => unusable(module, `its default export is not a Provider: ${problem}`);
  if (typeof exported !== 'object' || exported === null)
    throw wrong(`it is ${typeName(exported)}, not an object`);
  const {
    name,
    open,
    options = {},
    defaults = {},
    models = [],
    aliases,
    known,
    refusesLongTexts,
  } = exported as Record<string, unknown>;
  if (typeof name !== 'string' || !/^[\w.-]{1,64}$/.test(name))
    throw wrong('"name" must be a word of letters, digits, "-", "_" and "."');
  if (typeof open !== 'function') throw wrong('"open" must be a function');
  if (aliases !== undefined && typeof aliases !== 'function') throw wrong('"aliases" must be a function');
  if (known !== undefined && typeof known !== 'function') throw wrong('"known" must be a function');
  if (refusesLongTexts !== undefined && typeof refusesLongTexts !== 'function')
    throw wrong('"refusesLongTexts" must be a function');
  if (!Array.isArray(models)) throw wrong('"models" must be a list');
  try {
    parse(defaultsSchema, defaults, ['defaults']);
  } catch (error) {
    throw wrong((error as EntryError).message);
  }
  if (!isRecord(options)) throw wrong('"options" must be an object with a reader for each option');
  for (const [option, reader] of Object.entries(options)) {
    if (commonMembers.includes(option)) throw wrong(`the option "${option}" is one that all models have`);
    if (typeof reader !== 'function' && !(isRecord(reader) && '~standard' in reader))
      throw wrong(`"options.${option}" must be a function or a Standard Schema`);
  }
  return exported as Provider;
}

function unusable(module: string, problem: string): ConfigError {
  return new ConfigError(
    `EMBEDQL_PROVIDERS: ${module}: ${problem}; for example EMBEDQL_PROVIDERS=./acme.mjs, see docs/providers.md of the package embedql`,
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function typeName(value: unknown): string {
  return value === null ? 'null' : `a ${typeof value}`;
}

function oneLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0]!.slice(0, 300);
}
