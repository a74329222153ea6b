/** What one key may do. */
export interface KeyLimit {
  textsPerMinute?: number;
  /** UTC days and months. */
  usdPerDay?: number;
  usdPerMonth?: number;
}

/** Limits by the name of a key; `*` stands for every key that is not named, each on its own. */
export type KeyLimits = ReadonlyMap<string, KeyLimit>;

const rate = /^(\d+)\/min$/;
const money = /^(\d+(?:\.\d+)?)usd\/(day|month)$/;

/** In billionths of a dollar, a month's money is still a whole number for JavaScript and for Redis' Lua. */
const mostUsd = 1_000_000;
const mostTexts = 1_000_000_000;
const isWithin = (value: number, most: number) => value > 0 && value <= most;

/** Reads `web:6000/min:5usd/day:100usd/month,*:600/min`. @throws Error with the problem as its message */
export function parseKeyLimits(text: string): KeyLimits {
  const limits = new Map<string, KeyLimit>();
  for (const item of text.split(',')) {
    const [name = '', ...parts] = item.trim().split(':');
    if (name === '' || parts.length === 0) throw new Error('expected a name and its limits');
    if (limits.has(name)) throw new Error(`expected every name once, but ${name} appears twice`);
    limits.set(name, parseLimit(name, parts));
  }
  return limits;
}

function parseLimit(name: string, parts: readonly string[]): KeyLimit {
  const limit: KeyLimit = {};
  for (const part of parts) {
    const [, texts] = rate.exec(part.toLowerCase()) ?? [];
    const [, usd, per] = money.exec(part.toLowerCase()) ?? [];
    if (texts !== undefined && isWithin(Number(texts), mostTexts)) limit.textsPerMinute = Number(texts);
    else if (usd !== undefined && isWithin(Number(usd), mostUsd))
      limit[per === 'month' ? 'usdPerMonth' : 'usdPerDay'] = Number(usd);
    else
      throw new Error(
        `expected a number of texts such as 600/min or of USD such as 5usd/day or 100usd/month for ${name}, above 0 and up to ${mostTexts} texts or ${mostUsd} USD`,
      );
  }
  return limit;
}
