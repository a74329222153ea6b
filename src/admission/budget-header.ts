import type { MoneyLeft } from './money-budgets.ts';

/** The header that says what is left to a key of its money. */
export const budgetHeader = 'x-embedql-budget-left';

/** What is left, as a header: `day=4.998 month=97.1`, in USD; undefined where there is no limit, or nothing is known yet. */
export function writeBudget(left: readonly MoneyLeft[]): string | undefined {
  if (left.length === 0) return undefined;
  return left.map(({ per, leftUsd }) => `${per}=${digitsOf(leftUsd)}`).join(' ');
}

/** Without an exponent, to the billionth. */
function digitsOf(usd: number): string {
  const digits = usd.toFixed(9);
  let end = digits.length;
  while (digits[end - 1] === '0') end -= 1;
  return digits.slice(0, digits[end - 1] === '.' ? end - 1 : end);
}
