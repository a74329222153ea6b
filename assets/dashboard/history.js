import { createChart } from './charts.js';
import { byId } from './elements.js';
import { compact, decimal, milliseconds, usd } from './format.js';

/** Figures of the last minutes, second by second, since this page was opened. */
const livePoints = 180;
const live = [];

const small = (value) =>
  value >= 1_000 ? compact(value) : decimal(value, value < 10 && !Number.isInteger(value) ? 1 : 0);

const charts = {
  texts: createChart({ title: 'Texts per second', labels: ['computed', 'from the cache'], write: small }),
  calls: createChart({ title: 'Provider calls per second', labels: ['made', 'saved'], write: small }),
  latency: createChart({
    title: 'Latency',
    labels: ['operation', 'provider call'],
    write: milliseconds,
    least: 10,
  }),
  errors: createChart({ title: 'Failed operations per second', labels: ['failed'], write: small }),
  money: createChart({ title: 'USD per hour', labels: ['paid', 'saved'], write: usd, least: 0.01 }),
  queue: createChart({ title: 'Texts waiting in the queue', labels: ['waiting'], write: small }),
};

export function startHistory() {
  byId('charts').append(...Object.values(charts).map(({ figure }) => figure));
}

/** What has been added to a sum and a count between two looks, as an average. */
function averageSince(now, before, average, times) {
  const added = now[times] - before[times];
  return added > 0 ? (now[average] * now[times] - before[average] * before[times]) / added : null;
}

export function addLive(now, before, seconds) {
  const added = (name) => Math.max(0, now[name] - before[name]) / seconds;
  live.push({
    time: Date.now() / 1_000,
    computed: added('totalEmbeddingsGenerated'),
    hits: added('cacheHits'),
    calls: added('providerCalls'),
    failed: added('failedOperations'),
    paid: added('totalCostUsd') * 3_600,
    saved: added('costSavedUsd') * 3_600,
    operationMs: averageSince(now, before, 'averageOperationMs', 'operations'),
    callMs: averageSince(now, before, 'averageProviderCallMs', 'providerCalls'),
    queue: now.queueDepth,
  });
  if (live.length > livePoints) live.shift();
}

export function showLive() {
  const draw = (chart, ...names) =>
    charts[chart].show(
      live.map((point) => [
        point.time,
        ...names.map((name) => (typeof name === 'function' ? name(point) : point[name])),
      ]),
      livePoints,
    );
  draw('texts', 'computed', 'hits');
  draw('calls', 'calls', ({ computed, hits, calls }) => Math.max(0, computed + hits - calls));
  draw('latency', 'operationMs', 'callMs');
  draw('errors', 'failed');
  draw('money', 'paid', 'saved');
  draw('queue', 'queue');
}
