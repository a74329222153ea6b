import { graphql } from './api.js';
import { byId, fillRows, make, show } from './elements.js';
import { compact, count, usd } from './format.js';

const query = `query Money($from: String!, $to: String!, $groupBy: [SpendDimension!]!) {
  spend(from: $from, to: $to, groupBy: $groupBy) {
    day model key tag texts hits computed costUsd costSavedUsd lossy
  }
}`;

const dayMs = 86_400_000;
const utcDay = (time) => new Date(time).toISOString().slice(0, 10);
const dayLabel = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', timeZone: 'UTC' });

/** Sums of rows by what `nameOf` says, the largest first. */
function sumBy(rows, nameOf) {
  const sums = new Map();
  for (const row of rows) {
    const name = nameOf(row) || '(none)';
    const sum = sums.get(name) ?? { name, texts: 0, hits: 0, computed: 0, costUsd: 0, costSavedUsd: 0 };
    for (const figure of ['texts', 'hits', 'computed', 'costUsd', 'costSavedUsd']) sum[figure] += row[figure];
    sums.set(name, sum);
  }
  return [...sums.values()];
}

/** A bar in two parts: what was paid is filled, what was saved is hatched. */
function stackedBar(first, second, largest, vertical) {
  const bar = make('span', { class: vertical ? 'column' : 'stacked', 'aria-hidden': 'true' });
  for (const [kind, value] of [
    ['paid', first],
    ['saved', second],
  ]) {
    const part = make('span', { class: kind });
    part.style.setProperty('--share', String(largest > 0 ? value / largest : 0));
    bar.append(part);
  }
  return bar;
}

/** Where nothing costs anything, the texts are what there is to compare. */
function measureOf(rows) {
  const isFree = rows.every(({ costUsd, costSavedUsd }) => costUsd + costSavedUsd === 0);
  return isFree
    ? { first: 'computed', second: 'hits', write: compact, words: ['computed', 'from the cache'] }
    : { first: 'costUsd', second: 'costSavedUsd', write: usd, words: ['paid', 'saved'] };
}

function showGroups(rows, dimension, { first, second }) {
  const size = (row) => row[first] + row[second];
  const groups = sumBy(rows, (row) => row[dimension]).sort((a, b) => size(b) - size(a));
  const largest = Math.max(0, ...groups.map(size));
  fillRows(
    byId('money'),
    groups.map((group) => [
      group.name,
      stackedBar(group[first], group[second], largest),
      usd(group.costUsd),
      usd(group.costSavedUsd),
      count(group.texts),
      count(group.hits),
    ]),
  );
}

function showDays(rows, from, to, { first, second, write, words }) {
  const byDay = new Map(sumBy(rows, ({ day }) => day).map((sum) => [sum.name, sum]));
  const days = [];
  for (let time = Date.parse(from); utcDay(time) <= to; time += dayMs) days.push(utcDay(time));
  const none = { [first]: 0, [second]: 0 };
  const largest = Math.max(0, ...[...byDay.values()].map((sum) => sum[first] + sum[second]));
  byId('days').hidden = days.length < 2 || largest === 0;
  byId('day-columns').replaceChildren(
    ...days.map((day) => {
      const sum = byDay.get(day) ?? none;
      const said = `${dayLabel.format(Date.parse(day))}: ${write(sum[first])} ${words[0]}, ${write(sum[second])} ${words[1]}`;
      return make(
        'li',
        { title: said },
        stackedBar(sum[first], sum[second], largest, true),
        make('span', { class: 'hidden' }, said),
      );
    }),
  );
  show('days-from', dayLabel.format(Date.parse(from)));
  show('days-to', dayLabel.format(Date.parse(to)));
}

/** What all servers on these books have spent and saved. */
export async function showMoney() {
  const dimension = byId('money-by').value;
  const days = Number(byId('money-days').value);
  const [from, to] = [utcDay(Date.now() - (days - 1) * dayMs), utcDay(Date.now())];
  const groupBy = ['DAY', dimension.toUpperCase()];
  const { data, errors } = await graphql(query, { from, to, groupBy });
  if (errors) {
    show('money-note', errors[0].message);
    return;
  }
  const rows = data.spend;
  const measure = measureOf(rows);
  show('money-first', measure.words[0]);
  show('money-second', measure.words[1]);
  showGroups(rows, dimension, measure);
  showDays(rows, from, to, measure);
  show('money-note', noteOn(rows, from, to));
}

function noteOn(rows, from, to) {
  const days =
    from === to ? 'today' : `${dayLabel.format(Date.parse(from))} to ${dayLabel.format(Date.parse(to))}`;
  if (rows.length === 0) return `Nothing was asked for (${days}, UTC).`;
  const lossy = rows.some((row) => row.lossy)
    ? ' Figures may be missing: without EMBEDQL_CACHE_DIR or a Redis that keeps what it is given, they end with the process.'
    : '';
  return `All servers on these books, ${days} (UTC).${lossy}`;
}

export function startMoney() {
  for (const id of ['money-by', 'money-days'])
    byId(id).addEventListener('change', () =>
      showMoney().catch(() => show('money-note', 'There was no answer; try again.')),
    );
}
