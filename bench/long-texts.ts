// What becomes of details in long texts: cuts, averages and pieces.
//   npm run quality:long -- [--model name] [--texts 300]
// Long texts are READMEs of node_modules. From each comes one sentence, from anywhere, as a query; it is looked up among all
// texts by the vector of the text's beginning (TRUNCATE), of its average (AVERAGE), and by its best piece (embedChunks).
// Says how often the text that it comes from is found first, and among the first ten. Settings are the server's.
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createApp } from '../dist/app.js';
import { readConfig } from '../dist/config/config.js';
import { type Answer, unlimited } from '../dist/core/request.js';
import { silentProgress } from '../dist/core/surroundings.js';
import { cosineSimilarity } from '../dist/core/vectors.js';
import { readChunkWish, readWish } from '../dist/core/wish.js';
import { createLog } from '../dist/telemetry/pino.js';
import { print, table } from './report.ts';

const { values } = parseArgs({
  options: { model: { type: 'string' }, texts: { type: 'string', default: '300' } },
});

interface LongText {
  readonly text: string;
  readonly query: string;
}

/** READMEs without code, each with a sentence out of it, at a place that its length says. */
async function readmes(most: number): Promise<LongText[]> {
  const folder = fileURLToPath(new URL('../node_modules', import.meta.url));
  const found: LongText[] = [];
  for (const entry of (await readdir(folder)).sort()) {
    const file = await readFile(path.join(folder, entry, 'README.md'), 'utf8').catch(() => '');
    const text = file.replaceAll(/```[\s\S]*?```/g, '').slice(0, 60_000);
    const sentences = [...new Intl.Segmenter('en', { granularity: 'sentence' }).segment(text)]
      .map(({ segment }) => segment.trim())
      .filter((one) => /^[A-Z][^|<>[\]`]{60,200}\.$/.test(one));
    const query = sentences[(text.length * 7) % Math.max(1, sentences.length)];
    if (query !== undefined) found.push({ text, query });
    if (found.length === most) break;
  }
  return found;
}

const config = readConfig(process.env);
const app = await createApp({
  config,
  env: process.env,
  log: createLog('warn', false),
  progress: silentProgress,
});
const { catalogue, embedder } = app.services;
const { model } = values;
const wishes = {
  cut: readWish({ model, longText: 'truncate' }, catalogue),
  average: readWish({ model, longText: 'average' }, catalogue),
  pieces: readChunkWish({ model }, catalogue),
};

async function embed(wish: keyof typeof wishes, texts: readonly string[], kind: 'doc' | 'query' = 'doc') {
  const answers: Answer[] = [];
  for (let from = 0; from < texts.length; from += 20) {
    const some = texts.slice(from, from + 20).map((text) => wishes[wish].request(text, kind));
    for (const answer of await embedder.embedMany(some, unlimited)) {
      if (answer instanceof Error) throw answer;
      answers.push(answer);
    }
  }
  return answers;
}

const all = await readmes(Number(values.texts));
const texts = all.map(({ text }) => text);
const pieces = (await embed('pieces', texts)).map((answer) =>
  answer.pieces!.map(({ answer: { vector } }) => vector),
);
const averages = (await embed('average', texts)).map(({ vector }) => [vector]);
const cuts = (await embed('cut', texts)).map(({ vector }) => [vector]);
const sentences = all.map(({ query }) => query);
const queries = (await embed('cut', sentences, 'query')).map(({ vector }) => vector);

/** The place of each query's own text among all of them, from 0. */
function ranks(vectors: ReadonlyArray<readonly Float32Array[]>): number[] {
  return queries.map((query, own) => {
    const scores = vectors.map((some) => Math.max(...some.map((one) => cosineSimilarity(query, one))));
    return scores.filter((score) => score > scores[own]!).length;
  });
}

const ways = { TRUNCATE: ranks(cuts), AVERAGE: ranks(averages), embedChunks: ranks(pieces) };
print(`${wishes.cut.model.spec.name}: a sentence out of each of ${all.length} READMEs`);
const rows: string[][] = [];
for (const [least, most] of [
  [1, 1],
  [2, 4],
  [5, 9],
  [10, 19],
  [20, 10_000],
] as const) {
  const group = [...all.keys()].filter((i) => pieces[i]!.length >= least && pieces[i]!.length <= most);
  const share = (which: readonly number[], first: number) =>
    (group.filter((i) => which[i]! < first).length / Math.max(1, group.length)).toFixed(2);
  const label = most === 10_000 ? `${least}+` : least === most ? `${least}` : `${least}–${most}`;
  rows.push([
    ...[label, String(group.length)],
    ...Object.values(ways).map((way) => `${share(way, 1)} / ${share(way, 10)}`),
  ]);
}
table(['pieces', 'texts', ...Object.keys(ways).map((name) => `${name}, first / of ten`)], rows);
await app.close();
