// What smaller vectors cost in quality: embeds a corpus with a model of the catalogue, and for each form and size says how
// many of the ten nearest by whole float32 vectors are found (recall@10), and bytes a vector.
//   npm run quality -- [--corpus file] [--model name] [--texts 2000] [--queries 500] [--sizes 384,256,128]
// The corpus: one text a line (.txt, or .jsonl as for `embedql warm`); without one, descriptions of the packages in
// node_modules. Settings are the server's: keys, models file, cache.
//   npm run quality -- vectors.json [folder dtype]
// What weights of the default local model are worth is another question: see fidelity.ts.
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { hamming } from '@embedql/client';
import { createApp } from '../dist/app.js';
import { openTexts } from '../dist/cli/text-lines.js';
import { readConfig } from '../dist/config/config.js';
import { toBinary, toInt8 } from '../dist/core/forms.js';
import type { EmbeddingModel } from '../dist/core/model.js';
import { unlimited } from '../dist/core/request.js';
import { silentProgress } from '../dist/core/surroundings.js';
import { cosineSimilarity, shortenVector } from '../dist/core/vectors.js';
import { readWish } from '../dist/core/wish.js';
import { createLog } from '../dist/telemetry/pino.js';
import { print, table } from './report.ts';

const nearest = 10;
const rescored = 100;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    corpus: { type: 'string' },
    model: { type: 'string' },
    texts: { type: 'string', default: '2000' },
    queries: { type: 'string', default: '500' },
    sizes: { type: 'string' },
  },
});

if (positionals.length > 0) await import('./fidelity.ts');
else await quality();

async function quality(): Promise<void> {
  const texts = await corpus(Number(values.texts));
  if (texts.length <= nearest)
    throw new Error(`the corpus has ${texts.length} texts; it requires more than ${nearest}`);
  const config = readConfig(process.env);
  const app = await createApp({
    config,
    env: process.env,
    log: createLog('warn', false),
    progress: silentProgress,
  });
  try {
    const { catalogue, embedder } = app.services;
    const { model, request } = readWish({ model: values.model }, catalogue);
    const started = performance.now();
    const vectors: Float32Array[] = [];
    let costUsd = 0;
    for (let from = 0; from < texts.length; from += 500) {
      const some = texts.slice(from, from + 500).map((text) => request(text, 'doc'));
      for (const answer of await embedder.embedMany(some, unlimited)) {
        if (answer instanceof Error) throw answer;
        vectors.push(answer.vector);
        costUsd += answer.costUsd;
      }
    }
    const seconds = ((performance.now() - started) / 1_000).toFixed(1);
    const { name } = model.spec;
    print(
      `${name}: ${texts.length} texts in ${seconds} s, ${costUsd} USD; recall@${nearest} against float32`,
    );
    compare(vectors, sizesOf(model));
  } finally {
    await app.close();
  }
}

/** Different texts, the same ones each time. */
async function corpus(most: number): Promise<string[]> {
  const texts = new Set<string>();
  if (values.corpus === undefined) for (const text of await descriptions()) texts.add(text);
  else {
    const { lines } = await openTexts(values.corpus, process.stdin);
    for await (const { text } of lines) {
      if (text !== undefined) texts.add(text);
      if (texts.size === most) break;
    }
  }
  return [...texts].slice(0, most);
}

async function descriptions(): Promise<string[]> {
  const folder = fileURLToPath(new URL('../node_modules', import.meta.url));
  const entries = (await readdir(folder)).sort();
  const names = await Promise.all(
    entries.map(async (entry) =>
      entry.startsWith('@')
        ? (await readdir(path.join(folder, entry))).sort().map((name) => path.join(entry, name))
        : [entry],
    ),
  );
  const found = await Promise.all(
    names.flat().map(async (name) => {
      const text = await readFile(path.join(folder, name, 'package.json'), 'utf8').catch(() => '{}');
      return (JSON.parse(text) as { description?: unknown }).description;
    }),
  );
  return found.filter((one): one is string => typeof one === 'string' && one.trim().length > 20);
}

/** What a model's vectors may be cut to, the whole first. */
function sizesOf({ spec: { dimension, matryoshka, supportsDimensions } }: EmbeddingModel): number[] {
  if (values.sizes !== undefined) return values.sizes.split(',').map(Number);
  if (!supportsDimensions) return [dimension];
  if (matryoshka) return [...new Set([dimension, ...matryoshka])].sort((a, b) => b - a);
  const sizes: number[] = [];
  for (let size = dimension; size >= 64; size = Math.floor(size / 2)) sizes.push(size);
  return sizes;
}

function compare(vectors: readonly Float32Array[], sizes: readonly number[]): void {
  const step = Math.max(1, Math.floor(vectors.length / Number(values.queries)));
  const queries = [...vectors.keys()].filter((i) => i % step === 0);
  const near = (query: number, score: (other: number) => number, count: number, among = vectors.keys()) =>
    [...among]
      .filter((other) => other !== query)
      .map((other) => ({ other, score: score(other) }))
      .sort((a, b) => b.score - a.score)
      .slice(0, count)
      .map(({ other }) => other);
  const cosine = (some: readonly Float32Array[], query: number) => (other: number) =>
    cosineSimilarity(some[query]!, some[other]!);
  const truth = new Map(
    queries.map((query) => [query, new Set(near(query, cosine(vectors, query), nearest))]),
  );
  const recall = (find: (query: number) => readonly number[]) => {
    let found = 0;
    for (const query of queries)
      for (const other of find(query)) if (truth.get(query)!.has(other)) found += 1;
    return (found / (queries.length * nearest)).toFixed(3);
  };
  const rows: Array<Array<string | number>> = [];
  for (const size of sizes) {
    const cut = vectors.map((vector) => shortenVector(vector, size));
    const int8 = cut.map((vector) => Float32Array.from(toInt8(vector)));
    const binary = cut.map(toBinary);
    const byBits = (query: number) => (other: number) => -hamming(binary[query]!, binary[other]!);
    const again = recall((query) => {
      const candidates = near(query, byBits(query), rescored);
      return near(query, cosine(cut, query), nearest, candidates.values());
    });
    const [bytes] = [Math.ceil(size / 8)];
    rows.push(
      [size, 'float32', 4 * size, recall((query) => near(query, cosine(cut, query), nearest)), ''],
      [size, 'int8', size, recall((query) => near(query, cosine(int8, query), nearest)), ''],
      [size, 'binary', bytes, recall((query) => near(query, byBits(query), nearest)), again],
    );
  }
  table(['size', 'form', 'bytes', `recall@${nearest}`, `of the first ${rescored}, by float32`], rows);
}
