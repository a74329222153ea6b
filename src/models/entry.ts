import { z } from 'zod';
import type { EndpointSpec, ModelSpec } from '../core/model.ts';
import { meant } from '../core/nearest.ts';
import { placeName, placeOptions } from '../providers/endpoints.ts';
import { OptionError, readOptions } from '../providers/options.ts';
import type { KnownModel, Provider } from '../providers/provider.ts';
import { isTokenizer } from '../providers/tokens/tokenizer-files.ts';

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
  maxBatchTokens: z.int().positive().max(1_000_000_000).optional(),
  costPer1kTokens: z.number().nonnegative().max(1_000).optional(),
  batchCostPer1kTokens: z.number().nonnegative().max(1_000).optional(),
  supportsDimensions: z.boolean().optional(),
  matryoshka: z.array(z.int().positive()).min(1).max(100).optional(),
  queryPrefix: z.string().optional(),
  documentPrefix: z.string().optional(),
  tokenizer: z
    .string()
    .max(1_000)
    .refine(
      isTokenizer,
      'must be a file such as "./tokenizer.json" that is there, or a name of the hub such as "owner/name"',
    )
    .optional(),
};
const endpointSchema = z.looseObject({
  name: z
    .string()
    .min(1)
    .max(100)
    .regex(/^[^\s,]+$/, 'must have no spaces or commas')
    .optional(),
  id: common.id,
  weight: z.number().positive().max(1_000_000).optional(),
});
const commonSchema = z.object({
  ...common,
  endpoints: z.array(endpointSchema).min(1).max(100).optional(),
});
const ownOptions = z.record(z.string(), z.unknown()).default({});

/** Members of an entry that no provider may call its own. */
export const commonMembers: readonly string[] = [...Object.keys(commonSchema.shape), 'options'];

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
  // Whatever is missing is said of the whole entry; the dimension may be known to the provider.
  const given = parse(commonSchema.partial({ dimension: true }), flat, path);
  const provider = providers.find(({ name }) => name === given.provider);
  if (!provider) {
    const names = providers.map(({ name }) => name);
    const near = meant(given.provider, names);
    const hint = near === undefined ? '' : `; did you mean ${near}?`;
    throw new EntryError([...path, 'provider'], `must be one of ${names.join(', ')}${hint}`);
  }
  if (given.tokenizer !== undefined && provider.onThisMachine)
    throw new EntryError(
      [...path, 'tokenizer'],
      `is for models of other providers: those of ${provider.name} have their own`,
    );
  const beside = Object.fromEntries(Object.entries(flat).filter(([name]) => !commonMembers.includes(name)));
  const readers = provider.options ?? {};
  const own = Object.keys(readers);
  refuseUnknown(beside, own, [...commonMembers, ...own], provider, path);
  refuseUnknown(nested, own, own, provider, [...path, 'options']);
  const twice = Object.keys(nested).find((name) => Object.hasOwn(beside, name));
  if (twice !== undefined) throw new EntryError([...path, 'options', twice], `is beside "options", too`);
  const options = readOwn(provider, { ...beside, ...nested }, (name) =>
    Object.hasOwn(nested, name) ? [...path, 'options'] : path,
  );
  const endpoints = readEndpoints(provider, given.endpoints, { ...beside, ...nested }, path);
  const known = knownOf(provider, given, endpoints?.[0]?.options ?? options);
  const { dimension = known.dimension } = given;
  if (dimension === undefined) throw unknownDimension(provider, given.name, path);
  const members = { ...given, dimension };
  checkKnown(members, known, path);
  const tooLarge = members.matryoshka?.findIndex((size) => size > members.dimension) ?? -1;
  if (tooLarge >= 0)
    throw new EntryError(
      [...path, 'matryoshka', tooLarge],
      `must be at most the dimension, ${members.dimension}`,
    );
  return {
    ...otherDefaults,
    ...provider.defaults,
    ...specOf(known, members),
    ...members,
    ...(members.matryoshka ? { supportsDimensions: true } : {}),
    ...(Object.keys(options).length > 0 ? { options } : {}),
    endpoints,
  };
}

/** The places that serve a model: what each says stands before what the entry says for all of them. */
function readEndpoints(
  provider: Provider,
  given: z.infer<typeof endpointSchema>[] | undefined,
  shared: Readonly<Record<string, unknown>>,
  path: readonly PropertyKey[],
): Array<EndpointSpec & { options: Record<string, unknown> }> | undefined {
  if (given === undefined) return undefined;
  const own = Object.keys(provider.options ?? {});
  const places = placeOptions.filter((option) => own.includes(option));
  if (provider.onThisMachine || places.length === 0)
    throw new EntryError([...path, 'endpoints'], `the provider ${provider.name} has none`);
  const twice = places.find((option) => shared[option] !== undefined && option === 'baseUrl');
  if (twice !== undefined)
    throw new EntryError([...path, twice], 'is to be left out, since "endpoints" have theirs');
  const read = given.map(({ name, id, weight = 1, ...more }, i) => {
    const at = [...path, 'endpoints', i];
    refuseUnknown(more, own, ['name', 'id', 'weight', ...own], provider, at);
    if (!places.some((option) => more[option] !== undefined))
      throw new EntryError([...at, places[0]!], 'is required: where this endpoint is');
    const options = readOwn(provider, { ...shared, ...more }, () => at);
    return { given: name, called: name ?? placeName(options) ?? provider.name, id, weight, options };
  });
  const names = distinctNames(read);
  return read.map(({ id, weight, options }, i) => ({ name: names[i]!, id, weight, options }));
}

/**
 * What tells endpoints apart in figures, logs and on the dashboard. A name that is given stays as it is, whatever hosts the
 * others have; of those on one host all but the first are numbered, in their order.
 */
function distinctNames(
  endpoints: ReadonlyArray<{ readonly given: string | undefined; readonly called: string }>,
): string[] {
  const owners = new Map<string, number>();
  for (const [i, { given }] of endpoints.entries())
    if (given !== undefined && !owners.has(given)) owners.set(given, i);
  return endpoints.map(({ called }, i) => {
    let name = called;
    for (let number = 2; (owners.get(name) ?? i) !== i; number++) name = `${called}#${number}`;
    owners.set(name, i);
    return name;
  });
}

/** What the provider knows of the model, by its id, else by its name. */
function knownOf(
  provider: Provider,
  { id, name }: { id?: string | undefined; name: string },
  options: Record<string, unknown>,
): KnownModel {
  const byId = provider.known?.(id ?? name, options);
  if (byId?.dimension !== undefined || id === undefined) return byId ?? {};
  return { ...provider.known?.(name, options), ...byId };
}

function checkKnown(
  { dimension, maxBatchSize }: { dimension: number; maxBatchSize?: number | undefined },
  { sizes = [], mostTexts = Number.POSITIVE_INFINITY, ...known }: KnownModel,
  path: readonly PropertyKey[],
): void {
  if (maxBatchSize !== undefined && maxBatchSize > mostTexts)
    throw new EntryError(
      [...path, 'maxBatchSize'],
      `must be at most ${mostTexts}, which is all that a call can carry`,
    );
  if (known.dimension === undefined || dimension === known.dimension) return;
  if (sizes === 'any' ? dimension <= known.dimension : sizes.includes(dimension)) return;
  const possible =
    sizes === 'any' ? `at most ${known.dimension}` : [...new Set([...sizes, known.dimension])].join(' or ');
  throw new EntryError([...path, 'dimension'], `must be ${possible} for this model`);
}

/** The part of what is known that makes a specification. */
function specOf(
  { sizes, nested, mostTexts: _, ...known }: KnownModel,
  { dimension, supportsDimensions = nested }: { dimension: number; supportsDimensions?: boolean | undefined },
): Partial<ModelSpec> {
  const defined = Object.fromEntries(Object.entries(known).filter(([, value]) => value !== undefined));
  if (!supportsDimensions) return defined;
  const smaller = Array.isArray(sizes) ? sizes.filter((size) => size <= dimension) : undefined;
  return { ...defined, supportsDimensions, ...(smaller ? { matryoshka: smaller } : {}) };
}

function unknownDimension(provider: Provider, name: string, path: readonly PropertyKey[]): EntryError {
  const { knownNames = [] } = provider;
  const near = meant(name, knownNames);
  const hint =
    near === undefined
      ? `is required for a model that the provider ${provider.name} does not know`
      : `is required for ${name}; did you mean the model ${near}?`;
  const list = knownNames.length > 0 && near === undefined ? `; it knows ${knownNames.join(', ')}` : '';
  return new EntryError([...path, 'dimension'], hint + list);
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
