import { graphql, KeyRequired, subscribe } from './api.js';
import { byId } from './elements.js';
import { figureFields, showFigures } from './figures.js';
import { showHistory, startHistory } from './history.js';
import { showJobs } from './jobs.js';
import { askForKey, startKeyGate, unlock } from './key-gate.js';
import { showMoney, startMoney } from './money.js';
import { setStatus, showState } from './state.js';
import { startTryIt } from './try-it.js';

const intervalMs = 1_000;

/** Follows the server for as long as it answers. Rejects with what ended it. */
async function follow() {
  await showState();
  await Promise.all([showHistory(), showMoney(), showJobs()]);
  unlock();
  let before;
  let shown = 0;
  for await (const { data } of subscribe(
    `subscription { metricsUpdated(intervalMs: ${intervalMs}) { ${figureFields} } }`,
  )) {
    if (!data) continue;
    const now = data.metricsUpdated;
    // After a reset there is nothing to compare with, and no rate.
    const past = before?.since === now.since ? before : undefined;
    showFigures(now, past, intervalMs / 1_000);
    byId('main').classList.remove('waiting');
    before = now;
    if (++shown % 5 === 0) await Promise.all([showState(), showJobs()]);
    if (shown % 15 === 0) await Promise.all([showHistory(), showMoney()]);
  }
}

async function run() {
  for (;;) {
    try {
      await follow();
    } catch (error) {
      if (error instanceof KeyRequired) {
        setStatus('an API key is required', 'bad');
        await askForKey();
        continue;
      }
      // A server that is away says so above; anything else is a defect that should be seen.
      if (!(error instanceof TypeError)) reportError(error);
    }
    setStatus('no connection, trying again', 'bad');
    await new Promise((resolve) => setTimeout(resolve, 2_000));
  }
}

byId('reset').addEventListener('click', () => byId('reset-dialog').showModal());
byId('reset-dialog').addEventListener('close', async () => {
  if (byId('reset-dialog').returnValue !== 'reset') return;
  const { errors } = await graphql('mutation { resetMetrics { message } }');
  if (errors) setStatus(errors[0].message, 'bad');
});

// Whoever has no mouse scrolls a wide part with the arrow keys.
for (const part of document.querySelectorAll('.scroll')) part.tabIndex = 0;

startKeyGate();
startHistory();
startMoney();
startTryIt();
run();
