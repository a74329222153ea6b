/* How figures are written: as an English reader expects them, and without a negative zero. */

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });

export const count = (value) => whole.format(value === 0 ? 0 : value);
export const compact = (value) => short.format(value === 0 ? 0 : value);

/** A number with so many digits behind the point. What is rounded to zero has no sign. */
export function decimal(value, digits) {
  const text = value.toFixed(digits);
  return Number(text) === 0 ? (0).toFixed(digits) : text;
}

export const percent = (share) => `${decimal(share * 100, 1)} %`;

/** Two digits for what is a cent or more, else as many as it takes to see something. */
export function usd(value) {
  if (value === 0 || value >= 0.01) return `$${decimal(value, 2)}`;
  return `$${value.toFixed(Math.min(9, 1 - Math.floor(Math.log10(Math.abs(value)))))}`;
}

export const milliseconds = (value) =>
  value >= 1_000 ? `${decimal(value / 1_000, 1)} s` : `${decimal(value, value < 10 ? 1 : 0)} ms`;

export const plural = (value, word) => `${count(value)} ${word}${value === 1 ? '' : 's'}`;

/** 25 Nov 2026, 21:07 */
export const moment = new Intl.DateTimeFormat('en-GB', {
  dateStyle: 'medium',
  timeStyle: 'short',
  hourCycle: 'h23',
});
