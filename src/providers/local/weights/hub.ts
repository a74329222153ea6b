import { fetchFromHub, type HubFile, type HubOptions } from '../../hub.ts';
import type { LocalSpec } from '../options.ts';
import { knownDtypes, onnxFileName } from './folder.ts';
import type { WeightsSource } from './source.ts';

const textFiles = ['config.json', 'tokenizer.json', 'tokenizer_config.json', 'special_tokens_map.json'];

/** Fetches from the Hugging Face hub. */
export function hubSource(options: HubOptions): WeightsSource {
  return {
    name: 'the Hugging Face hub',
    offers: (spec) => !options.offline && (spec.id ?? spec.name).split('/').length === 2,
    fetch: (spec, into, progress) =>
      fetchFromHub(spec.id ?? spec.name, (files) => chooseFiles(files, spec), into, progress, options),
  };
}

/** Tokenizer, configuration and the weights of one precision: the one asked for, else the best there is. */
function chooseFiles(siblings: readonly HubFile[], spec: LocalSpec): HubFile[] {
  const names = new Set(siblings.map((file) => file.rfilename));
  const dtypes = spec.options.dtype === undefined ? knownDtypes : [spec.options.dtype];
  const onnx = dtypes.map((dtype) => `onnx/${onnxFileName(dtype)}`).find((name) => names.has(name));
  if (onnx === undefined) {
    throw new Error(
      `its ${spec.id ?? spec.name} has no ONNX weights${spec.options.dtype ? ` in ${spec.options.dtype}` : ''}`,
    );
  }
  return siblings.filter(({ rfilename }) => textFiles.includes(rfilename) || rfilename.startsWith(onnx));
}
