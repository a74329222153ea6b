import { readdir } from 'node:fs/promises';
import path from 'node:path';
import type { LocalSpec } from '../options.ts';
import { installedWeights } from './installed.ts';
import type { Weights } from './source.ts';

/**
 * transformers.js' names of precisions and the ends of their file names, the best first. int8 is what our own package has;
 * q8 is how the hub names what ONNX Runtime's tools make.
 */
const dtypes: ReadonlyArray<readonly [dtype: string, suffix: string]> = [
  ['fp32', ''],
  ['fp16', '_fp16'],
  ['int8', '_int8'],
  ['q8', '_quantized'],
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

/**
 * Weights that are there already: of the first folder that has the precision asked for, else its best; or those of an
 * installed package, where they are more precise. What somebody put into the models folder comes before its equal.
 */
export async function findWeights(modelsDir: string, spec: LocalSpec): Promise<Weights | undefined> {
  const accepted = spec.options.dtype === undefined ? knownDtypes : [spec.options.dtype];
  const places = await Promise.all(
    folderNames(spec).map((name) => inFolder(path.join(modelsDir, name), accepted)),
  );
  const found = places.find((weights) => weights !== undefined);
  const installed = await installedWeights(spec);
  if (!installed || !accepted.includes(installed.dtype)) return found;
  return found && accepted.indexOf(found.dtype) <= accepted.indexOf(installed.dtype) ? found : installed;
}

async function inFolder(directory: string, accepted: readonly string[]): Promise<Weights | undefined> {
  const [files, onnxFiles] = await Promise.all([list(directory), list(path.join(directory, 'onnx'))]);
  if (!files.includes('config.json') || !files.includes('tokenizer.json')) return undefined;
  const dtype = accepted.find((candidate) => onnxFiles.includes(onnxFileName(candidate) ?? ''));
  return dtype === undefined ? undefined : { directory, dtype };
}

async function list(directory: string): Promise<string[]> {
  return readdir(directory).catch(() => []);
}
