import { authorization, key } from './api.js';
import { byId, show } from './elements.js';

/** Shows the form for a key, and nothing that would be empty without one. Resolves once one was entered. */
export async function askForKey() {
  const wasWrong = key.get() !== null;
  key.forget();
  lock(true);
  show('key-problem', wasWrong ? "That key is none of this server's." : '');
  byId('key').focus();
  do await new Promise((resolve) => byId('key-form').addEventListener('submit', resolve, { once: true }));
  while (key.get() === null);
}

/** What a key opens is there. */
export function unlock() {
  lock(false);
  byId('forget-key').hidden = key.get() === null;
}

function lock(isLocked) {
  byId('key-gate').hidden = !isLocked;
  byId('main').hidden = isLocked;
  byId('prometheus').hidden = isLocked;
  if (isLocked) byId('forget-key').hidden = true;
}

export function startKeyGate() {
  byId('key-form').addEventListener('submit', (event) => {
    event.preventDefault();
    const entered = byId('key').value.trim();
    byId('key').value = '';
    // A header takes nothing else.
    const fits = /^[\x21-\x7e]+$/.test(entered);
    if (fits) key.set(entered);
    show('key-problem', fits ? '' : 'A key has only letters, digits and signs of ASCII, and no blanks.');
  });
  byId('forget-key').addEventListener('click', () => {
    key.forget();
    location.reload();
  });
  // A link cannot send a key.
  byId('prometheus').addEventListener('click', async (event) => {
    if (key.get() === null) return;
    event.preventDefault();
    const response = await fetch(event.currentTarget.href, { headers: authorization() });
    location.assign(URL.createObjectURL(new Blob([await response.text()], { type: 'text/plain' })));
  });
}
