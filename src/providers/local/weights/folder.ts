import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { LocalSpec } from '../options.ts';

/** Weights on this disk, in the layout that transformers.js reads. */
export interface Weights {
  /** The folder with `config.json`, `tokenizer.json` and `onnx/`. */
  directory: string;
  /** Which of the weights in it: transformers.js' name for their precision. */
  dtype: string;
}

/** transformers.js' names of precisions and the ends of their file names, the best first. */
const dtypes: ReadonlyArray<readonly [dtype: string, suffix: string]> = [
  ['fp32', ''],
  ['fp16', '_fp16'],
  ['q8', '_quantized'],
  ['int8', '_int8'],
  ['uint8', '_uint8'],
  ['q4', '_q4'],
  ['q4f16', '_q4f16'],
  ['bnb4', '_bnb4'],
];

/** The ONNX file of a precision, as it lies under `onnx/`; undefined for a precision nobody knows. */
export function onnxFileName(dtype: string): string | undefined {
  const known = dtypes.find(([name]) => name === dtype);
  return known && `model${known[1]}.onnx`;
}

export const knownDtypes = dtypes.map(([dtype]) => dtype);

/** The names of the folders that a model may be in, below the models folder. */
function folderNames({ id, name }: LocalSpec): string[] {
  const names = [
    id ?? name,
    name,
    `sentence-transformers/${name}`,
    `onnx-community/${name}-ONNX`,
    `Xenova/${name}`,
  ];
  return [...new Set(names)];
}

/** Where weights that are fetched for a model go. */
export function targetFolder(modelsDir: string, spec: LocalSpec): string {
  return path.join(modelsDir, spec.id ?? spec.name);
}

/** Weights that are there already. */
export async function findWeights(modelsDir: string, spec: LocalSpec): Promise<Weights | undefined> {
  for (const name of folderNames(spec)) {
    const directory = path.join(modelsDir, name);
    const [files, onnxFiles] = await Promise.all([list(directory), list(path.join(directory, 'onnx'))]);
    if (!files.includes('config.json') || !files.includes('tokenizer.json')) continue;
    const wanted = spec.options.dtype === undefined ? knownDtypes : [spec.options.dtype];
    const dtype = wanted.find((candidate) => onnxFiles.includes(onnxFileName(candidate) ?? ''));
    if (dtype !== undefined) return { directory, dtype };
  }
  return undefined;
}

async function list(directory: string): Promise<string[]> {
  return readdir(directory).catch(() => []);
}

/**
 * Names what these weights compute: the start of a SHA-256 over tokenizer, weights and all settings that
 * change a vector. The same files give the same revision wherever they came from.
 */
export async function weightsRevision({ directory, dtype }: Weights, spec: LocalSpec): Promise<string> {
  const hash = createHash('sha256');
  const { queryPrefix = '', documentPrefix = '', maxInputTokens } = spec;
  const { pooling = 'mean' } = spec.options;
  hash.update(JSON.stringify({ pooling, queryPrefix, documentPrefix, maxInputTokens }));
  const onnxFile = onnxFileName(dtype)!;
  const parts = (await list(path.join(directory, 'onnx'))).filter((file) => file.startsWith(onnxFile)).sort();
  for (const file of ['tokenizer.json', ...parts.map((part) => path.join('onnx', part))]) {
    await pipeline(createReadStream(path.join(directory, file)), async (chunks: AsyncIterable<Buffer>) => {
      for await (const chunk of chunks) hash.update(chunk);
    });
  }
  return hash.digest('hex').slice(0, 12);
}
