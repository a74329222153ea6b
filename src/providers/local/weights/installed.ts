import type { LocalSpec } from '../options.ts';
import type { Weights } from './source.ts';

/** Packages that carry weights, by the names that the hub has for the model. Each exports its folder and its precision. */
const packages: Readonly<Record<string, string>> = {
  'onnx-community/all-MiniLM-L6-v2-ONNX': '@embedql/all-minilm-l6-v2',
  'sentence-transformers/all-MiniLM-L6-v2': '@embedql/all-minilm-l6-v2',
};

/** Weights that came with an installed package: they are read where they lie. Undefined where there are none. */
export async function installedWeights(spec: LocalSpec): Promise<Weights | undefined> {
  const name = packages[spec.id ?? spec.name];
  if (name === undefined) return undefined;
  try {
    const { directory, dtype } = (await import(name)) as Weights;
    return { directory, dtype };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND') return undefined;
    throw error;
  }
}
