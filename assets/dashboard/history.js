import { graphql } from './api.js';
import { createChart } from './charts.js';
import { byId, show } from './elements.js';
import { compact, decimal, milliseconds, usd } from './format.js';

const minuteSeconds = 60;
const daySeconds = 86_400;

const small = (value) =>
  value >= 1_000 ? compact(value) : decimal(value, value < 10 && !Number.isInteger(value) ? 1 : 0);

const charts = {
  texts: createChart({ title: 'Texts', labels: ['computed', 'from the cache'], write: small }),
  calls: createChart({ title: 'Provider calls', labels: ['made', 'saved'], write: small }),
  latency: createChart({ title: 'Latency', labels: ['p50', 'p95'], write: milliseconds, least: 10 }),
  failures: createChart({ title: 'Failures', labels: ['operations', 'fields and entries'], write: small }),
  hitRate: createChart({
    title: 'Cache hit rate',
    labels: ['hits'],
    write: (share) => `${decimal(share, 0)} %`,
    least: 100,
  }),
  money: createChart({ title: 'Money', labels: ['paid', 'saved'], write: usd, least: 0.01 }),
};

/** Ranges up to a day come from this process, minute by minute; longer ones from the books of all servers, day by day. */
const ranges = [
  { name: '15 min', seconds: 15 * minuteSeconds, step: 1 },
  { name: '1 hour', seconds: 60 * minuteSeconds, step: 1 },
  { name: '6 hours', seconds: 360 * minuteSeconds, step: 5 },
  { name: '24 hours', seconds: daySeconds, step: 15 },
  { name: '7 days', seconds: 7 * daySeconds },
  { name: '30 days', seconds: 30 * daySeconds },
];
let range = ranges[1];

const minutesQuery = `query Minutes($minutes: Int!) {
  metrics {
    history(minutes: $minutes) {
      time operations failedOperations errors texts hits computed calls p50 p95 costUsd costSavedUsd
    }
  }
}`;
const daysQuery = `query Days($from: String!, $to: String!) {
  spend(from: $from, to: $to, groupBy: [DAY]) { day hits computed costUsd costSavedUsd }
}`;

/** Sums of so many minutes at a time: as many points as a screen can show. Of percentiles, the worst minute's. */
function inSteps(points, step) {
  const sums = [];
  for (const [i, point] of points.entries()) {
    if (i % step === 0) {
      sums.push({ ...point });
      continue;
    }
    const sum = sums.at(-1);
    for (const [name, value] of Object.entries(point)) {
      if (name === 'p50' || name === 'p95') sum[name] = Math.max(sum[name], value);
      else if (name !== 'time') sum[name] += value;
    }
  }
  return sums;
}

async function minutes({ seconds, step }) {
  const { data, errors } = await graphql(minutesQuery, { minutes: seconds / minuteSeconds });
  if (errors) throw new Error(errors[0].message);
  return inSteps(data.metrics.history, step).map((point) => ({
    ...point,
    time: Date.parse(point.time) / 1_000,
  }));
}

async function days({ seconds }) {
  const utcDay = (time) => new Date(time).toISOString().slice(0, 10);
  const from = Date.now() - (seconds - daySeconds) * 1_000;
  const { data, errors } = await graphql(daysQuery, { from: utcDay(from), to: utcDay(Date.now()) });
  if (errors) throw new Error(errors[0].message);
  return data.spend
    .toSorted((a, b) => a.day.localeCompare(b.day))
    .map((row) => ({ ...row, time: Date.parse(row.day) / 1_000 }));
}

/** Draws what there is for the chosen range. A server that has just begun has a minute of it, and says so. */
export async function showHistory() {
  const asked = range;
  const isDays = asked.step === undefined;
  const points = await (isDays ? days(asked) : minutes(asked));
  // Another range was chosen meanwhile.
  if (asked !== range) return;
  const isYoung = !isDays && points.length * asked.step * minuteSeconds < asked.seconds;
  // Of a server that has just begun, what there is; else the minute that is not over would look like a dip.
  const age = Date.now() / 1_000 - points[0]?.time;
  const shown = isYoung ? Math.max(age, 5 * minuteSeconds) : asked.seconds;
  if (!isDays && points.length > 2) points.pop();
  const draw = (chart, ...columns) =>
    charts[chart].show(
      points.map((point) => [point.time, ...columns.map((column) => column(point))]),
      shown,
    );
  draw(
    'texts',
    ({ computed }) => computed,
    ({ hits }) => hits,
  );
  draw('hitRate', ({ hits, computed }) => (hits + computed > 0 ? (100 * hits) / (hits + computed) : null));
  draw(
    'money',
    ({ costUsd }) => costUsd,
    ({ costSavedUsd }) => costSavedUsd,
  );
  // The books have no calls, no times and no failures.
  for (const chart of ['calls', 'latency', 'failures']) charts[chart].figure.hidden = isDays;
  if (!isDays) {
    draw(
      'calls',
      ({ calls }) => calls,
      ({ hits, computed, calls }) => Math.max(0, hits + computed - calls),
    );
    draw(
      'latency',
      ({ p50, operations }) => (operations > 0 && p50 > 0 ? p50 : null),
      ({ p95 }) => (p95 > 0 ? p95 : null),
    );
    draw(
      'failures',
      ({ failedOperations }) => failedOperations,
      ({ errors }) => errors,
    );
  }
  show('history-note', noteOn(asked, isYoung));
}

function noteOn({ name, step }, isYoung) {
  if (step === undefined)
    return 'Sums of each day (UTC), all servers on these books. Calls, latency and failures are kept for a day.';
  const each = step === 1 ? 'minute' : `${step} minutes`;
  return `Sums of each ${each}, this process.${isYoung ? ` It has not run for ${name} yet.` : ''}`;
}

export function startHistory() {
  byId('charts').append(...Object.values(charts).map(({ figure }) => figure));
  const select = byId('range');
  select.replaceChildren(...ranges.map(({ name }, i) => new Option(name, String(i), i === 1, i === 1)));
  select.addEventListener('change', () => {
    range = ranges[Number(select.value)];
    showHistory().catch((error) => show('history-note', error.message));
  });
}
