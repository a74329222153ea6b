import { openBooks } from '../app.ts';
import { forMaintenance } from '../cache/redis/connect.ts';
import { errorWord } from '../cache/wait.ts';
import { type Config, ConfigError } from '../config/config.ts';
import { badUserInput, EmbedQLError } from '../core/errors.ts';
import { nearest } from '../core/nearest.ts';
import { silentLog } from '../core/surroundings.ts';
import { dayOf } from '../ledger/days.ts';
import { readLedger } from '../ledger/reading.ts';
import { type Spend, type SpendDimension, spendDimensions } from '../ledger/spend.ts';
import { table } from './table.ts';

export interface SpendOptions {
  /** UTC days. Default: from the first of this month until today. */
  from?: string | undefined;
  to?: string | undefined;
  /** Names with commas between them. */
  by: string;
  /** As comma-separated values, rather than as a table. */
  csv?: boolean | undefined;
}

/** What was asked for, paid and saved. @throws ConfigError where there are no books, EmbedQLError for options that mean nothing */
export async function showSpend(options: SpendOptions, config: Config): Promise<string> {
  const groupBy = readDimensions(options.by);
  const now = Date.now();
  const { from = `${dayOf(now).slice(0, 8)}01`, to = dayOf(now) } = options;
  const store = openBooks(config, silentLog, forMaintenance);
  if (!store)
    throw new ConfigError(
      'EMBEDQL_CACHE_DIR: must be set, or REDIS_URL, as for the server: without them the ledger ends with its process; for example EMBEDQL_CACHE_DIR=/var/lib/embedql/cache',
    );
  let rows: Spend[];
  try {
    rows = await readLedger(store, { from, to, groupBy });
  } catch (error) {
    if (error instanceof EmbedQLError) throw error;
    const reason = errorWord(error) ?? 'no answer';
    throw new ConfigError(
      config.stateRedisUrls.length + config.redisUrls.length > 0
        ? `EMBEDQL_STATE_REDIS_URL, else REDIS_URL: Redis does not answer (${reason}); check the address and the password`
        : `EMBEDQL_CACHE_DIR: the folder cannot be read (${reason}); check that this user may read it`,
    );
  } finally {
    await store.close();
  }
  const columns = spendDimensions.filter((one) => groupBy.includes(one));
  if (options.csv) return csv(columns, rows);
  if (rows.length === 0) return `Nothing was asked for from ${from} to ${to}.\n`;
  return table(
    [...columns, 'TEXTS', 'HITS', 'COMPUTED', 'TOKENS', 'USD', 'SAVED USD'],
    rows.map((row) => [
      ...columns.map((one) => row[fieldOf(one)] ?? '-'),
      ...[row.texts, row.hits, row.computed, row.tokens].map(String),
      dollars(row.costUsd),
      dollars(row.costSavedUsd),
    ]),
  ).concat(remarks(rows));
}

function readDimensions(by: string): SpendDimension[] {
  return by
    .split(',')
    .map((name) => name.trim().toUpperCase())
    .filter((name) => name !== '')
    .map((name) => {
      const found = spendDimensions.find((one) => one === name);
      if (found) return found;
      const meant = nearest(name, spendDimensions)!.toLowerCase();
      const known = spendDimensions.map((one) => one.toLowerCase()).join(', ');
      throw badUserInput(`--by takes ${known}, with commas between them; did you mean ${meant}?`);
    });
}

type SpendField = 'day' | 'model' | 'key' | 'tag';

const fieldOf = (dimension: SpendDimension) => dimension.toLowerCase() as SpendField;

/** All digits that there are, without an exponent. */
function dollars(usd: number): string {
  const digits = usd.toFixed(12);
  let end = digits.length;
  while (digits[end - 1] === '0' && digits[end - 4] !== '.') end -= 1;
  return digits.slice(0, end);
}

function remarks(rows: readonly Spend[]): string {
  const lost = Math.max(...rows.map(({ lostSeconds }) => lostSeconds));
  return [
    lost > 0 ? `Processes that crashed may have taken up to ${lost} s of it with them.\n` : '',
    rows.some(({ lossy }) => lossy)
      ? 'Figures may be missing: the ledger is kept where they can go, or a part of it is damaged.\n'
      : '',
  ].join('');
}

function csv(columns: readonly SpendDimension[], rows: readonly Spend[]): string {
  const head = [
    ...columns.map(fieldOf),
    ...['texts', 'hits', 'computed', 'tokens', 'tokens_estimated', 'cost_usd', 'cost_saved_usd'],
    ...['lost_seconds', 'lossy'],
  ];
  const lines = rows.map((row) => [
    ...columns.map((one) => cell(row[fieldOf(one)] ?? '')),
    ...[row.texts, row.hits, row.computed, row.tokens, row.tokensEstimated],
    ...[dollars(row.costUsd), dollars(row.costSavedUsd)],
    ...[row.lostSeconds, row.lossy],
  ]);
  return [head, ...lines].map((line) => `${line.join(',')}\n`).join('');
}

/** A tag is anybody's text: a spreadsheet must not take it for a formula. */
function cell(text: string): string {
  const plain = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\n\r]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain;
}
