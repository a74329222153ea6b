/** Characters that one number may take: sign, nine digits, point, zeros or exponent. */
export const longestNumber = 24;

const powersOfTen = Array.from({ length: 23 }, (_, k) => 10 ** k);
const [zero, minus, point] = [48, 45, 46];

/**
 * Writes the shortest decimal text that reads back as the same float32, at `at`. JSON made from a float32 that was
 * widened to a double has about 19 characters a number; this has about 10. Readers parse a double and narrow it, so
 * that is what is checked.
 * @param value a finite float32
 * @returns where the text ends
 */
export function writeFloat32(value: number, out: Uint8Array, at: number): number {
  let end = at;
  let magnitude = value;
  if (value < 0 || Object.is(value, -0)) {
    out[end++] = minus;
    magnitude = -value;
  }
  // Outside of this the powers of ten are not exact any more. A rare path: of a unit vector only 0 gets here.
  if (magnitude < 1e-6 || magnitude >= 1e9) return writeRare(magnitude, out, end);
  // So many decimals that there are seven digits; nine are always enough.
  let decimals = 6 - exponentOf(magnitude);
  for (let tries = 0; tries < 4; tries++, decimals++) {
    const places = Math.max(0, decimals);
    const scale = powersOfTen[places]!;
    const digits = Math.round(magnitude * scale);
    if (Math.fround(digits / scale) !== magnitude) continue;
    return tries === 0
      ? writeShorter(magnitude, digits, places, out, end)
      : writeDecimal(digits, places, out, end);
  }
  return writeRare(magnitude, out, end);
}

/** Seven digits suffice here. Where fewer do, they need not be these without their final zeros: the seven were rounded. */
function writeShorter(
  magnitude: number,
  enough: number,
  decimals: number,
  out: Uint8Array,
  at: number,
): number {
  let digits = enough;
  let places = decimals;
  while (places > 0) {
    const scale = powersOfTen[places - 1]!;
    const fewer = Math.round(magnitude * scale);
    if (Math.fround(fewer / scale) !== magnitude) break;
    digits = fewer;
    places--;
  }
  return writeDecimal(digits, places, out, at);
}

/** Where the first digit stands: 0 for 1 to 10, -1 for 0.1 to 1. */
function exponentOf(magnitude: number): number {
  if (magnitude < 1) {
    if (magnitude >= 0.01) return magnitude >= 0.1 ? -1 : -2;
    if (magnitude >= 0.0001) return magnitude >= 0.001 ? -3 : -4;
    return magnitude >= 0.00001 ? -5 : -6;
  }
  let exponent = 0;
  while (magnitude >= powersOfTen[exponent + 1]!) exponent++;
  return exponent;
}

/** Writes `digits` / 10^`decimals`; digits is a whole number under 2^31. */
function writeDecimal(digits: number, decimals: number, out: Uint8Array, at: number): number {
  let rest = digits | 0;
  let left = decimals;
  while (left > 0 && rest % 10 === 0) {
    rest = (rest / 10) | 0;
    left--;
  }
  // At least one digit stands before the point.
  const width = Math.max(lengthOf(rest), left + 1);
  if (left === 0) {
    writeDigits(rest, out, at + width, width);
    return at + width;
  }
  const end = at + width + 1;
  const whole = width - left;
  rest = writeDigits(rest, out, end, left);
  out[end - left - 1] = point;
  writeDigits(rest, out, at + whole, whole);
  return end;
}

/** Writes the last `count` digits of `rest` before `end`. @returns what is left of it */
function writeDigits(rest: number, out: Uint8Array, end: number, count: number): number {
  let left = rest;
  for (let i = end - 1; i >= end - count; i--) {
    const next = (left / 10) | 0;
    out[i] = zero + (left - next * 10);
    left = next;
  }
  return left;
}

function lengthOf(digits: number): number {
  if (digits >= 1e6) return digits >= 1e8 ? (digits >= 1e9 ? 10 : 9) : digits >= 1e7 ? 8 : 7;
  let length = 1;
  for (let power = 10; digits >= power; power *= 10) length++;
  return length;
}

function writeRare(magnitude: number, out: Uint8Array, at: number): number {
  const text = shortestText(magnitude);
  for (let i = 0; i < text.length; i++) out[at + i] = text.charCodeAt(i);
  return at + text.length;
}

function shortestText(magnitude: number): string {
  if (magnitude === 0) return '0';
  for (let precision = 1; precision < 9; precision++) {
    const candidate = Number(magnitude.toPrecision(precision));
    if (Math.fround(candidate) === magnitude) return String(candidate);
  }
  return String(Number(magnitude.toPrecision(9)));
}
