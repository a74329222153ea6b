import { byId, show } from './elements.js';
import { showErrors } from './errors.js';
import { compact, count, decimal, milliseconds, moment, percent, plural, usd } from './format.js';

/** What the cards show, of `Metrics`. */
export const figureFields = `
  since operations failedOperations errors { code count } latency { p50 p95 p99 count }
  totalEmbeddingsGenerated cacheHits diskHits redisHits cacheMisses cacheHitRate
  totalCostUsd costSavedUsd totalTokens providerCalls averageProviderCallMs averageBatchSize coalescedTexts queueDepth
`;

/** @param before the figures of `seconds` ago; undefined where there are none that belong to these */
export function showFigures(now, before, seconds) {
  const perSecond = (name) => (before ? (now[name] - before[name]) / seconds : 0);
  const answered = now.cacheHits + now.totalEmbeddingsGenerated;
  byId('since').dateTime = now.since;
  show('since', moment.format(new Date(now.since)));
  show('coalescing', now.providerCalls ? decimal(now.totalEmbeddingsGenerated / now.providerCalls, 1) : '–');
  show('coalescing-detail', `${plural(now.coalescedTexts, 'text')} shared one`);
  show('calls-saved', compact(Math.max(0, answered - now.providerCalls)));
  show('calls-saved-detail', `${plural(answered, 'text')}, ${plural(now.providerCalls, 'call')}`);
  show('hit-rate', percent(now.cacheHitRate));
  const tiers = {
    memory: now.cacheHits - now.redisHits - now.diskHits,
    disk: now.diskHits,
    Redis: now.redisHits,
  };
  const places = Object.entries(tiers).filter(([tier, hits]) => hits > 0 || tier === 'memory');
  show('hit-rate-detail', places.map(([tier, hits]) => `${compact(hits)} ${tier}`).join(', '));
  show('cost', usd(now.totalCostUsd));
  show('cost-detail', `${compact(now.totalTokens)} tokens`);
  show('saved', usd(now.costSavedUsd));
  show('saved-detail', plural(now.cacheHits, 'hit'));
  show('requests', decimal(perSecond('operations'), 0));
  show('requests-detail', `${count(now.operations)} in all`);
  show('embeddings', decimal(perSecond('cacheHits') + perSecond('totalEmbeddingsGenerated'), 0));
  show('embeddings-detail', `${count(now.totalEmbeddingsGenerated)} computed`);
  const { p50, p95, p99, count: measured } = now.latency;
  show('latency', measured > 0 ? milliseconds(p95) : '–');
  show(
    'latency-detail',
    measured > 0 ? `p50 ${milliseconds(p50)}, p99 ${milliseconds(p99)}` : 'p50 –, p99 –',
  );
  show('queue', count(now.queueDepth));
  show('queue-detail', `${decimal(now.averageBatchSize, 1)} texts in a call`);
  showFailures(now);
  showErrors(now.errors);
}

function showFailures({ operations, failedOperations, errors }) {
  const [worst] = errors;
  show('errors', percent(operations === 0 ? 0 : failedOperations / operations));
  show('errors-detail', worst ? `${compact(worst.count)} ${worst.code}` : 'none');
  byId('errors-card').classList.toggle('red', operations > 0 && failedOperations / operations > 0.05);
}
