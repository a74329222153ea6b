/** The part of https://standardschema.dev that is needed here: what Zod, Valibot, ArkType and others implement. */
export interface StandardSchema<Value> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => SchemaResult<Value> | Promise<SchemaResult<Value>>;
    readonly types?: { readonly input: unknown; readonly output: Value } | undefined;
  };
}

type SchemaResult<Value> =
  | { readonly value: Value; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] };

interface SchemaIssue {
  readonly message: string;
  readonly path?: ReadonlyArray<PropertyKey | { readonly key: PropertyKey }> | undefined;
}

/**
 * Reads one option. It is given `undefined` where the option is left out, so it says what is required and what the default is.
 *
 * @example
 * const region: OptionReader<string> = (value) => {
 *   if (typeof value === 'string') return value;
 *   throw new Error('must be a region, such as "eu-west-1"');
 * };
 */
export type OptionReader<Value> = StandardSchema<Value> | ((value: unknown) => Value);

/** A reader for every option that there is, by name. */
export type OptionReaders<Options> = {
  readonly [Name in keyof Options]-?: OptionReader<Options[Name]>;
};

/** An option that cannot be used. */
export class OptionError extends Error {
  override readonly name = 'OptionError';
  /** From the option's name down to the part at fault. */
  readonly path: readonly PropertyKey[];

  constructor(path: readonly PropertyKey[], message: string) {
    super(message);
    this.path = path;
  }
}

/**
 * Reads options with their readers. What has no reader is left alone: whoever calls refuses it.
 * @returns what was read, without the options that are undefined. @throws OptionError
 */
export function readOptions(
  readers: Readonly<Record<string, OptionReader<unknown>>>,
  given: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const read = Object.entries(readers).map(([name, reader]) => [
    name,
    readOption(name, reader, Object.hasOwn(given, name) ? given[name] : undefined),
  ]);
  return Object.fromEntries(read.filter(([, value]) => value !== undefined));
}

function readOption(name: string, reader: OptionReader<unknown>, value: unknown): unknown {
  // Some libraries' schemas are functions, too.
  if (!('~standard' in reader)) {
    try {
      return reader(value);
    } catch (error) {
      throw new OptionError([name], error instanceof Error ? error.message : String(error));
    }
  }
  const result = reader['~standard'].validate(value);
  if (result instanceof Promise)
    throw new OptionError([name], 'its schema is asynchronous; use one that is not');
  if (!result.issues) return result.value;
  const [issue] = result.issues;
  const path = (issue?.path ?? []).map((step) => (typeof step === 'object' ? step.key : step));
  throw new OptionError([name, ...path], issue?.message ?? 'cannot be used');
}
