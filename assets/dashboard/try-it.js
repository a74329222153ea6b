import { endpoint, graphql, KeyRequired } from './api.js';
import { byId, fillRows, make, show } from './elements.js';
import { decimal, milliseconds, plural, usd } from './format.js';
import { cosine, decodeVector, drawForm } from './vectors.js';

const documentsOperation = `mutation TryIt($texts: [String!]!, $model: String) {
  documents: embedBatch(texts: $texts, model: $model) { ...Facts }
}`;
const rankingOperation = `mutation TryIt($texts: [String!]!, $query: String!, $model: String) {
  documents: embedBatch(texts: $texts, model: $model) { ...Facts }
  query: embedQuery(query: $query, model: $model) {
    embeddingBase64
    cached
    tokens
  }
}`;
const facts = `fragment Facts on EmbeddingBatch {
  embeddingsBase64
  cached
  tokens
  failures { index message }
}`;

function operationFor(texts, query, model) {
  const operation = query === '' ? documentsOperation : rankingOperation;
  const variables = { texts, ...(query === '' ? {} : { query }), model };
  return { query: `${operation}\n\n${facts}\n`, variables };
}

/** What came back of each text: `{ text, vector, cached, tokens }`; without a vector where it failed. */
function readDocuments(texts, { embeddingsBase64, cached, tokens }) {
  return texts.map((text, i) => ({
    text,
    vector: embeddingsBase64[i] === null ? undefined : decodeVector(embeddingsBase64[i]),
    cached: cached[i],
    tokens: tokens[i],
  }));
}

function showRanking(query, documents) {
  byId('ranking-part').hidden = !query;
  if (!query) return;
  const ranked = documents
    .filter(({ vector }) => vector)
    .map(({ text, vector }) => ({ text, similarity: cosine(query.vector, vector) }))
    .sort((a, b) => b.similarity - a.similarity);
  byId('ranking').tBodies[0].replaceChildren(
    ...ranked.map(({ text, similarity }) => {
      const meter = make('span', { class: 'meter', 'aria-hidden': 'true' });
      meter.style.setProperty('--share', String(Math.max(0, similarity)));
      const number = make('span', {}, decimal(similarity, 2));
      return make('tr', {}, make('td', { class: 'measured' }, number, meter), make('td', {}, text));
    }),
  );
}

function showHeatMap(documents) {
  // One text is like itself; that needs no picture.
  byId('heat-map-part').hidden = documents.length < 2;
  const table = byId('heat-map');
  for (const part of table.querySelectorAll('thead, tbody')) part.remove();
  if (documents.length < 2) return;
  const numbers = documents.map((_, i) => make('th', { scope: 'col' }, String(i + 1)));
  table.createTHead().append(make('tr', {}, make('th', { scope: 'col' }, 'Document'), ...numbers));
  const rows = documents.map(({ text, vector }, i) => {
    const squares = documents.map((other) => {
      if (!vector || !other.vector) return make('td', {}, '–');
      const similarity = cosine(vector, other.vector);
      const strength = Math.round(Math.max(0, Math.min(1, similarity)) * 100);
      const square = make('td', { class: strength > 55 ? 'strong' : '' }, decimal(similarity, 2));
      square.style.setProperty('--strength', `${strength}%`);
      return square;
    });
    return make('tr', {}, make('th', { scope: 'row', title: text }, `${i + 1}. ${text}`), ...squares);
  });
  table.createTBody().append(...rows);
}

function showVectors(documents, query) {
  const all = [...(query ? [query] : []), ...documents].filter(({ vector }) => vector);
  const dimension = all[0].vector.length;
  show(
    'vectors-caption',
    `${plural(all.length, 'vector')} of ${dimension} numbers: ${4 * dimension} bytes each as float32, ${dimension} as int8, ${Math.ceil(dimension / 8)} as bits`,
  );
  fillRows(
    byId('vectors'),
    all.map(({ text, vector, cached, tokens }) => [
      make('span', { title: text }, text === query?.text ? `Query: ${text}` : text),
      drawForm(vector),
      [...vector.subarray(0, 3)].map((x) => decimal(x, 3)).join(' '),
      String(tokens),
      cached ? 'the cache' : 'the model',
    ]),
  );
}

/** "texts=5 hits=0 calls=1 cost=0.0000012" as a sentence. */
function sentence(figures, ms) {
  const { texts, hits, calls, cost } = Object.fromEntries(
    figures
      .split(' ')
      .map((pair) => pair.split('='))
      .map(([name, value]) => [name, Number(value)]),
  );
  const price = cost === 0 ? 'nothing to pay' : usd(cost);
  return `${plural(texts, 'text')}, ${plural(calls, 'provider call')}, ${hits} from the cache, ${price}, ${milliseconds(ms)}`;
}

/** Node takes 16 KB of address and headers. */
const longestAddress = 8_000;

function showOperation({ query, variables }) {
  show('try-query', query);
  const text = JSON.stringify(variables, null, 2);
  const whole = `${endpoint}?query=${encodeURIComponent(query)}&variables=${encodeURIComponent(text)}`;
  const fits = whole.length <= longestAddress;
  byId('try-link').href = fits ? whole : `${endpoint}?query=${encodeURIComponent(query)}`;
  show(
    'try-link',
    fits
      ? 'Open it in GraphiQL'
      : 'Open it in GraphiQL, without its texts, which are too long for an address',
  );
}

async function tryIt() {
  const texts = byId('texts')
    .value.split('\n')
    .map((line) => line.trim())
    .filter(Boolean);
  const question = byId('query').value.trim();
  if (texts.length === 0) throw new Error('Type at least one document.');
  const operation = operationFor(texts, question, byId('model').value || undefined);
  const started = performance.now();
  const { data, errors = [], figures } = await graphql(operation.query, operation.variables);
  const ms = performance.now() - started;
  const documents = data?.documents ? readDocuments(texts, data.documents) : [];
  const problems = [...errors, ...(data?.documents?.failures ?? [])].map(({ message }) => message);
  if (!documents.some(({ vector }) => vector)) throw new Error(problems[0] ?? 'There was no answer.');
  const query = data.query && {
    ...data.query,
    text: question,
    vector: decodeVector(data.query.embeddingBase64),
  };
  showRanking(query, documents);
  showHeatMap(documents);
  showVectors(documents, query);
  showOperation(operation);
  return [sentence(figures, ms), ...new Set(problems)].join(' – ');
}

export function startTryIt() {
  byId('try').addEventListener('submit', async (event) => {
    event.preventDefault();
    const [status, result] = [byId('try-status'), byId('try-result')];
    status.className = '';
    status.textContent = 'Asking…';
    byId('run').disabled = true;
    try {
      status.textContent = await tryIt();
      result.hidden = false;
    } catch (error) {
      // What is shown belongs to other texts.
      result.hidden = true;
      status.className = 'error';
      status.textContent =
        error instanceof KeyRequired ? 'The key is no longer taken; enter another one.' : error.message;
    } finally {
      byId('run').disabled = false;
    }
  });
}

/** The models that can be asked, once they are known. */
export function offerModels(models) {
  const select = byId('model');
  const names = models.filter(({ available }) => available).map(({ name }) => name);
  if (names.join() === [...select.options].map(({ value }) => value).join()) return;
  const chosen = select.value;
  select.replaceChildren(...names.map((name) => make('option', { value: name }, name)));
  const preferred = models.find(({ isDefault }) => isDefault)?.name;
  select.value = names.includes(chosen) ? chosen : names.includes(preferred) ? preferred : (names[0] ?? '');
}
