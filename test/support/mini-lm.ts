import { builtinModels } from '../../src/models/builtin.ts';
import type { LocalSpec } from '../../src/providers/local/options.ts';

/** The default local model, as its provider gets it. */
export const miniLM: LocalSpec = {
  ...builtinModels.find(({ name }) => name === 'all-MiniLM-L6-v2')!,
  options: {},
};
