import { graphql, KeyRequired, rememberKey, subscribe } from './api.js';
import { createChart } from './charts.js';
import { startTryIt } from './try-it.js';

const byId = (id) => document.getElementById(id);
const show = (id, text) => {
  byId(id).textContent = text;
};
const count = new Intl.NumberFormat('en');
const usd = (value) => `$${value.toFixed(value !== 0 && value < 0.01 ? 7 : 2)}`;

const figures = `
  since operations averageOperationMs totalEmbeddingsGenerated cacheHits redisHits cacheMisses cacheHitRate
  totalCostUsd costSavedUsd totalTokens providerCalls averageProviderCallMs averageBatchSize coalescedTexts queueDepth
`;
const intervalMs = 1_000;

const charts = {
  texts: createChart(byId('chart-texts'), ['asked for', 'computed', 'from the cache']),
  calls: createChart(byId('chart-calls'), ['calls', 'texts in each']),
  latency: createChart(byId('chart-latency'), ['operation', 'provider call']),
  queue: createChart(byId('chart-queue'), ['waiting']),
};

/** What has been added to a sum and a count since the last figures, as an average. */
function averageSince(now, before, average, times) {
  const added = now[times] - before[times];
  if (added <= 0) return null;
  return (now[average] * now[times] - before[average] * before[times]) / added;
}

function showFigures(now, before) {
  const isNew = !before || before.since !== now.since;
  const past = isNew ? { ...now } : before;
  const perSecond = (name) => ((now[name] - past[name]) * 1_000) / intervalMs;
  const answered = now.cacheHits + now.totalEmbeddingsGenerated;
  byId('since').dateTime = now.since;
  show('since', new Date(now.since).toLocaleString());
  show('coalescing', now.providerCalls ? (now.totalEmbeddingsGenerated / now.providerCalls).toFixed(1) : '–');
  show(
    'coalescing-detail',
    `${count.format(answered)} texts answered with ${count.format(now.providerCalls)} calls`,
  );
  show('requests', perSecond('operations').toFixed(0));
  show('requests-detail', `${count.format(now.operations)} in all`);
  const embeddings = perSecond('cacheHits') + perSecond('totalEmbeddingsGenerated');
  show('embeddings', embeddings.toFixed(0));
  show('embeddings-detail', `${count.format(now.totalEmbeddingsGenerated)} computed`);
  show('hit-rate', `${(now.cacheHitRate * 100).toFixed(1)} %`);
  show(
    'hit-rate-detail',
    `${count.format(now.cacheHits - now.redisHits)} memory, ${count.format(now.redisHits)} Redis`,
  );
  show('cost', usd(now.totalCostUsd));
  show('cost-detail', `${count.format(now.totalTokens)} tokens`);
  show('saved', usd(now.costSavedUsd));
  show('saved-detail', `${count.format(now.cacheHits)} hits`);
  const latency = averageSince(now, past, 'averageOperationMs', 'operations');
  const providerMs = averageSince(now, past, 'averageProviderCallMs', 'providerCalls');
  show('latency', `${now.averageOperationMs.toFixed(1)} ms`);
  show('latency-detail', `provider call ${now.averageProviderCallMs.toFixed(1)} ms`);
  show('queue', count.format(now.queueDepth));
  show('queue-detail', `${now.averageBatchSize.toFixed(1)} texts in a call`);
  charts.texts.push(embeddings, perSecond('totalEmbeddingsGenerated'), perSecond('cacheHits'));
  charts.calls.push(perSecond('providerCalls'), averageSince(now, past, 'averageBatchSize', 'providerCalls'));
  charts.latency.push(latency, providerMs);
  charts.queue.push(now.queueDepth);
}

function setStatus(text, kind) {
  show('status', text);
  byId('status').className = `pill ${kind}`;
}

const stateOf = ({ available, loaded, unavailableReason }) =>
  available ? (loaded ? 'ready' : 'loaded by its first text') : unavailableReason;

async function showState() {
  const { data } = await graphql(`{
    health { status version cacheBackend cachingEnabled }
    models { name provider dimension costPer1kTokens available loaded unavailableReason isDefault }
  }`);
  const { health, models } = data;
  show('version', health.version);
  setStatus(health.status === 'OK' ? 'OK' : 'degraded', health.status === 'OK' ? 'good' : 'bad');
  const cache = health.cachingEnabled
    ? `Cache: ${health.cacheBackend === 'redis' ? 'Redis, with memory in front' : 'memory'}`
    : 'Cache: off';
  show('cache-state', `${cache}${health.status === 'OK' ? '.' : '; something that is configured is away.'}`);
  const select = byId('model');
  if (select.options.length === 0) {
    for (const model of models.filter(({ available }) => available)) {
      select.add(new Option(model.name, model.name, model.isDefault, model.isDefault));
    }
  }
  byId('models').tBodies[0].replaceChildren(
    ...models.map((model) => {
      const row = document.createElement('tr');
      const price =
        model.costPer1kTokens === null
          ? 'not known'
          : model.costPer1kTokens === 0
            ? 'free'
            : String(model.costPer1kTokens);
      const name = model.isDefault ? `${model.name} (default)` : model.name;
      for (const text of [name, model.provider, model.dimension, price, stateOf(model)])
        row.insertCell().textContent = text;
      return row;
    }),
  );
}

async function follow() {
  let before;
  for (;;) {
    try {
      await showState();
      let shown = 0;
      for await (const { data } of subscribe(
        `subscription { metricsUpdated(intervalMs: ${intervalMs}) { ${figures} } }`,
      )) {
        if (!data) continue;
        showFigures(data.metricsUpdated, before);
        before = data.metricsUpdated;
        if (++shown % 5 === 0) await showState();
      }
    } catch (error) {
      if (error instanceof KeyRequired) {
        byId('key-form').hidden = false;
        setStatus('an API key is required', 'bad');
        await new Promise((resolve) => byId('key-form').addEventListener('submit', resolve, { once: true }));
        continue;
      }
    }
    setStatus('no connection, trying again', 'bad');
    await new Promise((resolve) => setTimeout(resolve, 2_000));
  }
}

byId('key-form').addEventListener('submit', (event) => {
  event.preventDefault();
  rememberKey(byId('key').value);
  byId('key-form').hidden = true;
});

byId('reset').addEventListener('click', async () => {
  const { errors } = await graphql('mutation { resetMetrics { message } }');
  if (errors) setStatus(errors[0].message, 'bad');
});

startTryIt();
follow();
