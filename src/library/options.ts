import { badUserInput } from '../core/errors.ts';
import { meant } from '../core/nearest.ts';

/** What a caller without types may hand in where options belong. */
export type Given = Readonly<Record<string, unknown>>;

/**
 * Checks that options are an object with none but known names in it: a slip would silently do something else.
 * @param where whose options, for the message. @throws EmbedQLError BAD_USER_INPUT
 */
export function checkOptions(where: string, given: unknown, known: readonly string[]): Given {
  if (given === undefined) return {};
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw badUserInput(`${where}: options must be an object such as { ${known[0]} }; got ${kindOf(given)}.`);
  const unknown = Object.keys(given).find((name) => !known.includes(name));
  if (unknown === undefined) return given as Given;
  const near = meant(unknown, known);
  const hint = near === undefined ? `There are ${known.join(', ')}.` : `Did you mean ${near}?`;
  throw badUserInput(`${where}: unknown option (${unknown.slice(0, 40)}). ${hint}`);
}

/** @throws EmbedQLError BAD_USER_INPUT where the option is given and is something else */
export function checkType(where: string, given: Given, name: string, expected: 'string' | 'boolean'): void {
  const value = given[name];
  if (value === undefined || value === null || typeof value === expected) return;
  throw badUserInput(`${where}: ${name} must be a ${expected}; got ${kindOf(value)}.`);
}

/** @throws EmbedQLError BAD_USER_INPUT where the option is given and is no whole number from `least` up */
export function checkWholeNumber(
  where: string,
  given: Given,
  name: string,
  least: number,
  most = Number.MAX_SAFE_INTEGER,
): void {
  const value = given[name];
  if (value === undefined || value === null) return;
  if (Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most) return;
  const range = most === Number.MAX_SAFE_INTEGER ? `${least} or more` : `${least} to ${most}`;
  throw badUserInput(`${where}: ${name} must be a whole number, ${range}; got ${kindOf(value)}.`);
}

/** What something is, never what is in it. */
export function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value === 'number') return `the number ${value}`;
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}
