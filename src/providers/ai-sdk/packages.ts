import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { resolve } from 'import-meta-resolve';
import { EmbedQLError } from '../../core/errors.ts';

/** A package that a vendor's models come from; nobody has to install those of the others. */
export interface SdkPackage {
  readonly name: string;
  /** The line of versions that runs on every Node that we do. */
  readonly version: string;
}

/** Where a package is: beside EmbedQL, or in the folder in which it was started. @returns undefined where it is not */
export function findPackage({ name }: SdkPackage): string | undefined {
  for (const from of [import.meta.url, pathToFileURL(path.resolve('resolve.js')).href]) {
    try {
      return resolve(name, from);
    } catch {
      // Not here.
    }
  }
  return undefined;
}

/** What to do where a package is missing. */
export function missingPackage(model: string, { name, version }: SdkPackage): EmbedQLError {
  return new EmbedQLError(
    'PROVIDER_NOT_CONFIGURED',
    `${model} requires a package that is not installed: run "npm i ${name}@${version}" where EmbedQL is started, and start it again.`,
  );
}

/** Loads a package. @param create the function that is used of it. @throws EmbedQLError */
export async function loadPackage<Create>(model: string, sdk: SdkPackage, create: string): Promise<Create> {
  const found = findPackage(sdk);
  if (found === undefined) throw missingPackage(model, sdk);
  let module: Record<string, unknown>;
  try {
    module = (await import(found)) as Record<string, unknown>;
  } catch (error) {
    throw new EmbedQLError(
      'PROVIDER_NOT_CONFIGURED',
      `${model} cannot load the package ${sdk.name}: run "npm i ${sdk.name}@${sdk.version}" and start EmbedQL again.`,
      { cause: error },
    );
  }
  const exported = module[create];
  if (typeof exported === 'function') return exported as Create;
  throw new EmbedQLError(
    'PROVIDER_NOT_CONFIGURED',
    `${model} cannot use this version of ${sdk.name}: run "npm i ${sdk.name}@${sdk.version}" and start EmbedQL again.`,
  );
}
