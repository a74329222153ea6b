import { endpoint, graphql } from './api.js';

const byId = (id) => document.getElementById(id);

/** One operation with an alias for each text: the texts travel as variables. */
function operationFor(texts, model) {
  const names = texts.map((_, i) => `t${i}`);
  const declarations = [...names.map((name) => `$${name}: String!`), '$model: String'].join(', ');
  const fields = names
    .map((name) => `  ${name}: embed(text: $${name}, model: $model) { ...Facts }`)
    .join('\n');
  const query = `mutation TryIt(${declarations}) {\n${fields}\n}\n\nfragment Facts on Embedding {\n  embeddingBase64\n  cached\n  tokens\n  cost\n}\n`;
  const variables = Object.fromEntries(names.map((name, i) => [name, texts[i]]));
  return { query, variables: { ...variables, model } };
}

function decode(base64) {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  return new Float32Array(bytes.buffer);
}

function cosine(a, b) {
  let dot = 0;
  let aSquares = 0;
  let bSquares = 0;
  for (let i = 0; i < a.length; i++) {
    dot += a[i] * b[i];
    aSquares += a[i] ** 2;
    bSquares += b[i] ** 2;
  }
  return dot / Math.sqrt(aSquares * bSquares);
}

function cell(tag, text, attributes = {}) {
  const element = document.createElement(tag);
  element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

function showHeatMap(texts, vectors) {
  const table = byId('heat-map');
  for (const part of table.querySelectorAll('thead, tbody')) part.remove();
  const head = table.createTHead().insertRow();
  head.append(
    cell('th', 'Text', { scope: 'col' }),
    ...texts.map((_, i) => cell('th', String(i + 1), { scope: 'col' })),
  );
  const body = table.createTBody();
  for (const [i, text] of texts.entries()) {
    const row = body.insertRow();
    row.append(cell('th', `${i + 1}. ${text}`, { scope: 'row', title: text }));
    for (const other of vectors) {
      const similarity = vectors[i] && other ? cosine(vectors[i], other) : undefined;
      const square = cell('td', similarity === undefined ? '–' : similarity.toFixed(2));
      if (similarity !== undefined) {
        const strength = Math.max(0, Math.min(1, similarity));
        square.style.background = `hsl(243 60% ${96 - 56 * strength}%)`;
        square.style.color = strength > 0.45 ? '#fff' : '#14162b';
      }
      row.append(square);
    }
  }
}

/** "texts=5 hits=0 calls=1 cost=0.0000012" as a sentence. */
function sentence(figures, ms) {
  const { texts, hits, calls, cost } = Object.fromEntries(figures.split(' ').map((pair) => pair.split('=')));
  const one = (n, word) => `${n} ${word}${n === '1' ? '' : 's'}`;
  return `${one(texts, 'text')}, ${one(calls, 'provider call')}, ${hits} from the cache, ${cost === '0' ? 'nothing to pay' : `$${Number(cost).toFixed(7)}`}, ${Math.round(ms)} ms`;
}

export function startTryIt() {
  byId('try').addEventListener('submit', async (event) => {
    event.preventDefault();
    const texts = byId('texts')
      .value.split('\n')
      .map((line) => line.trim())
      .filter(Boolean);
    const status = byId('try-status');
    status.className = '';
    if (texts.length === 0) {
      status.textContent = 'Type at least one text.';
      return;
    }
    byId('run').disabled = true;
    status.textContent = 'Asking…';
    try {
      const operation = operationFor(texts, byId('model').value);
      const started = performance.now();
      const { data, errors, figures } = await graphql(operation.query, operation.variables);
      const ms = performance.now() - started;
      const vectors = texts.map((_, i) => data?.[`t${i}`] && decode(data[`t${i}`].embeddingBase64));
      if (!vectors.some(Boolean)) throw new Error(errors?.[0]?.message ?? 'There was no answer.');
      status.textContent = sentence(figures, ms) + (errors ? ` – ${errors[0].message}` : '');
      showHeatMap(texts, vectors);
      byId('try-query').textContent = operation.query;
      const variables = JSON.stringify(operation.variables, null, 2);
      byId('try-link').href =
        `${endpoint}?query=${encodeURIComponent(operation.query)}&variables=${encodeURIComponent(variables)}`;
      byId('try-result').hidden = false;
    } catch (error) {
      status.className = 'error';
      status.textContent = error.message || 'An API key is required; enter it above.';
    } finally {
      byId('run').disabled = false;
    }
  });
}
