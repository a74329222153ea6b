import { badUserInput, type EmbedQLError } from '../core/errors.ts';

export const dayMs = 86_400_000;

/** Days that the books are kept. */
export const keptDays = 400;

/** The UTC day of a moment, as `2026-11-25`. */
export function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}

/** Reads a UTC day. @returns the milliseconds at which it begins. @throws EmbedQLError BAD_USER_INPUT that names the argument */
function readDay(text: string, argument: 'from' | 'to'): number {
  const begin = /^\d{4}-\d{2}-\d{2}$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : Number.NaN;
  // The 30th of February is read as a day of March.
  if (Number.isNaN(begin) || dayOf(begin) !== text) throw noDay(argument);
  return begin;
}

function noDay(argument: string): EmbedQLError {
  return badUserInput(`${argument} must be a day such as 2026-11-25 (YYYY-MM-DD, UTC).`);
}

/**
 * The days from one to another, both included, as far as there can be books of them.
 * @param now milliseconds since 1970
 * @throws EmbedQLError BAD_USER_INPUT that names the argument
 */
export function readDays(from: string, to: string, now: number): string[] {
  const [first, last] = [readDay(from, 'from'), readDay(to, 'to')];
  if (last < first) throw badUserInput('to must not be before from.');
  const days: string[] = [];
  // A replica whose clock is ahead may be in tomorrow already.
  const newest = Math.min(last, now + dayMs);
  for (let day = Math.max(first, Date.parse(dayOf(now - keptDays * dayMs))); day <= newest; day += dayMs)
    days.push(dayOf(day));
  return days;
}
