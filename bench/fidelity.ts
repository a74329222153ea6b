// What the vectors of a local model are worth: computes the sentences of packages/all-minilm-l6-v2/build/evaluation.json as
// the server does, and writes the vectors, for fidelity.py beside them to compare with sentence-transformers' own.
//   npm run quality -- vectors.json [folder dtype]
// Without a folder: the weights package. With one: any weights of the same model, in the layout of transformers.js.
import { readFileSync, writeFileSync } from 'node:fs';
import * as installed from '@embedql/all-minilm-l6-v2';
import { Encoder } from '../dist/providers/local/encoder.js';
import { inspectWeights } from '../dist/providers/local/weights/inspect.js';
import { miniLM } from '../test/support/mini-lm.ts';
import { print } from './report.ts';

const [out, directory = installed.directory, dtype = installed.dtype] = process.argv.slice(2);
if (out === undefined) throw new Error('name the file to write: npm run quality -- vectors.json');

const evaluation = new URL('../packages/all-minilm-l6-v2/build/evaluation.json', import.meta.url);
/** Texts by their source, by kind. */
const kinds: Record<string, Record<string, string[]>> = JSON.parse(readFileSync(evaluation, 'utf8'));
const { batchDependent } = await inspectWeights({ directory, dtype }, miniLM);
const encoder = await Encoder.load({
  directory,
  dtype,
  maxInputTokens: miniLM.maxInputTokens,
  pooling: 'mean',
  threads: 1,
  devices: [],
  oneByOne: batchDependent,
});
const callTexts = miniLM.maxBatchSize;
const vectors: Record<string, number[][]> = {};
for (const [kind, sources] of Object.entries(kinds)) {
  const texts = Object.values(sources).flat();
  const found: number[][] = [];
  for (let from = 0; from < texts.length; from += callTexts) {
    const { vectors: some } = await encoder.encode(texts.slice(from, from + callTexts));
    for (let at = 0; at < some.length; at += miniLM.dimension) {
      found.push(Array.from(some.subarray(at, at + miniLM.dimension)));
    }
  }
  vectors[kind] = found;
}
await encoder.dispose();
writeFileSync(out, JSON.stringify(vectors));
print(`${directory} (${dtype}): ${Object.values(vectors).flat().length} vectors in ${out}`);
