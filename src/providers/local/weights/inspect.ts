import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { LocalSpec } from '../options.ts';
import { onnxFileName } from './folder.ts';
import type { Weights } from './source.ts';

/** What weights are, read from their bytes. */
export interface WeightsFacts {
  /**
   * Names what they compute: the start of a SHA-256 over tokenizer, weights and all settings that change a vector. The
   * same files give the same revision wherever they came from.
   */
  readonly revision: string;
  /**
   * Whether a text's vector depends on the texts beside it: the graph rounds what it computes by one scale for a whole
   * batch. Such texts have to be computed one at a time, or the cache would hold vectors that nobody can get again.
   */
  readonly batchDependent: boolean;
}

/** What such a graph has in it: how ONNX Runtime's tools quantise, and so the hub's `model_quantized.onnx`. */
const oneScaleForAll = Buffer.from('DynamicQuantize');

/** Reads tokenizer and weights once, from start to end. */
export async function inspectWeights({ directory, dtype }: Weights, spec: LocalSpec): Promise<WeightsFacts> {
  const hash = createHash('sha256');
  const { queryPrefix = '', documentPrefix = '', maxInputTokens } = spec;
  const { pooling = 'mean' } = spec.options;
  hash.update(JSON.stringify({ pooling, queryPrefix, documentPrefix, maxInputTokens }));
  const onnxFile = onnxFileName(dtype)!;
  const inOnnx = await readdir(path.join(directory, 'onnx'));
  const parts = inOnnx.filter((file) => file.startsWith(onnxFile)).sort();
  let batchDependent = false;
  for (const file of ['tokenizer.json', ...parts.map((part) => path.join('onnx', part))]) {
    const found = await readThrough(path.join(directory, file), hash);
    if (file.endsWith('.onnx')) batchDependent ||= found;
  }
  // Computed one at a time they have other vectors than in batches, which older entries of a cache may hold.
  if (batchDependent) hash.update('one at a time');
  return { revision: hash.digest('hex').slice(0, 12), batchDependent };
}

/** Adds a file to the hash. @returns whether it names an operator with one scale for all */
async function readThrough(file: string, hash: Hash): Promise<boolean> {
  let found = false;
  let before: Buffer = Buffer.alloc(0);
  await pipeline(createReadStream(file), async (chunks: AsyncIterable<Buffer>) => {
    for await (const chunk of chunks) {
      hash.update(chunk);
      // A name may lie across two chunks.
      found ||=
        chunk.includes(oneScaleForAll) ||
        Buffer.concat([before, chunk.subarray(0, oneScaleForAll.length)]).includes(oneScaleForAll);
      before = chunk.subarray(-oneScaleForAll.length);
    }
  });
  return found;
}
