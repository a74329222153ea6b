import { z } from 'zod';
import type { ModelSpec } from '../core/model.ts';
import { meant } from '../core/nearest.ts';
import { OptionError, readOptions } from '../providers/options.ts';
import type { Provider } from '../providers/provider.ts';

/** What every provider's models have in common. */
const common = {
  name: z
    .string()
    .min(1)
    .max(200)
    .regex(/^[^\s,@]+$/, 'must have no spaces, commas or @'),
  provider: z.string(),
  id: z
    .string()
    .min(1)
    .refine((id) => !id.split(/[\\/]/).includes('..'), 'must not lead out of the models folder')
    .optional(),
  dimension: z.int().positive().max(65_536),
  maxBatchSize: z.int().positive().max(2_048).optional(),
  maxInputTokens: z.int().positive().max(100_000_000).optional(),
  costPer1kTokens: z.number().nonnegative().max(1_000).optional(),
  batchCostPer1kTokens: z.number().nonnegative().max(1_000).optional(),
  supportsDimensions: z.boolean().optional(),
  matryoshka: z.array(z.int().positive()).min(1).max(100).optional(),
  queryPrefix: z.string().optional(),
  documentPrefix: z.string().optional(),
};
const commonSchema = z.object(common);
const ownOptions = z.record(z.string(), z.unknown()).default({});

/** Members of an entry that no provider may call its own. */
export const commonMembers: readonly string[] = [...Object.keys(common), 'options'];

const otherDefaults = {
  maxBatchSize: 100,
  maxInputTokens: 8_191,
  costPer1kTokens: null,
  supportsDimensions: false,
};

/** An entry that cannot be used. */
export class EntryError extends Error {
  override readonly name = 'EntryError';

  /** @param path where it is in the entry */
  constructor(path: readonly PropertyKey[], message: string) {
    super(`${pathOf(path)}: ${message}`);
  }
}

/**
 * Reads one model: an entry of the models file, or of a provider's own list. The provider's options stand beside the common
 * members or in `options`, which is the same.
 * @param path where the entry is, for messages. @throws EntryError
 */
export function readEntry(
  entry: unknown,
  providers: readonly Provider[],
  path: readonly PropertyKey[],
): ModelSpec {
  const { options: nested, ...flat } = parse(z.looseObject({ options: ownOptions }), entry, path);
  const members = parse(commonSchema, flat, path);
  const provider = providers.find(({ name }) => name === members.provider);
  if (!provider) {
    const names = providers.map(({ name }) => name);
    const near = meant(members.provider, names);
    const hint = near === undefined ? '' : `; did you mean ${near}?`;
    throw new EntryError([...path, 'provider'], `must be one of ${names.join(', ')}${hint}`);
  }
  const beside = Object.fromEntries(Object.entries(flat).filter(([name]) => !commonMembers.includes(name)));
  const readers = provider.options ?? {};
  const known = Object.keys(readers);
  refuseUnknown(beside, known, [...commonMembers, ...known], provider, path);
  refuseUnknown(nested, known, known, provider, [...path, 'options']);
  const twice = Object.keys(nested).find((name) => Object.hasOwn(beside, name));
  if (twice !== undefined) throw new EntryError([...path, 'options', twice], `is beside "options", too`);
  const options = readOwn(provider, { ...beside, ...nested }, (name) =>
    Object.hasOwn(nested, name) ? [...path, 'options'] : path,
  );
  const tooLarge = members.matryoshka?.findIndex((size) => size > members.dimension) ?? -1;
  if (tooLarge >= 0)
    throw new EntryError(
      [...path, 'matryoshka', tooLarge],
      `must be at most the dimension, ${members.dimension}`,
    );
  return {
    ...otherDefaults,
    ...provider.defaults,
    ...members,
    ...(members.matryoshka ? { supportsDimensions: true } : {}),
    ...(Object.keys(options).length > 0 ? { options } : {}),
  };
}

function readOwn(
  provider: Provider,
  given: Readonly<Record<string, unknown>>,
  pathTo: (name: string) => readonly PropertyKey[],
): Record<string, unknown> {
  try {
    return readOptions(provider.options ?? {}, given);
  } catch (error) {
    if (!(error instanceof OptionError)) throw error;
    throw new EntryError([...pathTo(String(error.path[0])), ...error.path], error.message);
  }
}

/** A member that nobody reads is more likely a slip than meant so. */
function refuseUnknown(
  given: object,
  known: readonly string[],
  suggested: readonly string[],
  provider: Provider,
  path: readonly PropertyKey[],
): void {
  const unknown = Object.keys(given).find((name) => !known.includes(name));
  if (unknown === undefined) return;
  const near = meant(unknown, suggested);
  const hint = near !== undefined ? `did you mean "${near}"?` : `it has ${suggested.join(', ') || 'none'}`;
  throw new EntryError(path, `the provider ${provider.name} has no "${unknown}"; ${hint}`);
}

/** @throws EntryError with the path of the first problem. */
export function parse<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  path: readonly PropertyKey[],
): z.infer<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new EntryError([...path, ...issue!.path], issue!.message);
}

function pathOf(path: readonly PropertyKey[]): string {
  return (
    path
      .map((step, i) => (typeof step === 'number' ? `[${step}]` : `${i > 0 ? '.' : ''}${String(step)}`))
      .join('') || 'the file'
  );
}
