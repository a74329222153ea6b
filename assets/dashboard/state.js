import { graphql } from './api.js';
import { byId, fillRows, make, show } from './elements.js';
import { plural } from './format.js';
import { offerModels } from './try-it.js';

const query = `{
  health { status problems version cacheTiers { name healthy } }
  models {
    name provider dimension costPer1kTokens available loaded unavailableReason isDefault
    endpoints { name healthy inFlight reason }
  }
}`;

export function setStatus(text, kind) {
  show('status', text);
  byId('status').className = `pill ${kind}`;
}

/** What changes seldom: the version, what is wrong, models and cache. */
export async function showState() {
  const { data } = await graphql(query);
  const { health, models } = data;
  const isWell = health.status === 'OK';
  show('version', health.version);
  setStatus(isWell ? 'OK' : 'degraded', isWell ? 'good' : 'bad');
  showProblems([...health.problems, ...endpointProblems(models)]);
  show('cache-state', `Cache: ${health.cacheTiers.map(tierState).join(', then ') || 'off'}.`);
  offerModels(models);
  fillRows(
    byId('models'),
    models.map((model) => [
      model.isDefault ? `${model.name} (default)` : model.name,
      model.provider,
      String(model.dimension),
      priceOf(model),
      stateOf(model),
    ]),
  );
}

function showProblems(problems) {
  byId('attention').hidden = problems.length === 0;
  const shown = [...byId('problems').children].map((item) => item.textContent);
  if (shown.join('\n') === problems.join('\n')) return;
  byId('problems').replaceChildren(...problems.map((problem) => make('li', {}, problem)));
}

function endpointProblems(models) {
  return models.flatMap(({ name, endpoints }) =>
    endpoints
      .filter(({ healthy }) => !healthy)
      .map(
        (endpoint) => `${name} at ${endpoint.name}: ${endpoint.reason ?? 'it is left alone for a while.'}`,
      ),
  );
}

const tierNames = { memory: 'memory', disk: 'the disk', redis: 'Redis' };

function tierState({ name, healthy }) {
  return `${tierNames[name] ?? name}${healthy ? '' : ' (away or not taking writes: see above)'}`;
}

function priceOf({ costPer1kTokens }) {
  if (costPer1kTokens === null) return 'not known';
  return costPer1kTokens === 0 ? 'free' : String(costPer1kTokens);
}

function stateOf({ available, loaded, unavailableReason, endpoints }) {
  const state = available ? (loaded ? 'ready' : 'loaded by its first text') : unavailableReason;
  if (endpoints.length === 0 || !available) return state;
  return make(
    'ul',
    { class: 'endpoints' },
    ...endpoints.map((endpoint) => make('li', {}, endpointState(endpoint))),
  );
}

function endpointState({ name, healthy, inFlight, reason }) {
  if (!healthy) return make('span', { class: 'error' }, `${name}: ${reason ?? 'left alone for a while'}`);
  return `${name}: ready, ${plural(inFlight, 'call')} under way`;
}
