import { z } from 'zod';
import type { Environment } from '../../core/surroundings.ts';
import { hubOptions } from '../hub.ts';
import type { Provider } from '../provider.ts';
import { LocalModel } from './local-model.ts';
import { devices, type LocalOptions } from './options.ts';
import { knownDtypes } from './weights/folder.ts';
import { hubSource } from './weights/hub.ts';
import type { WeightsSource } from './weights/source.ts';

/** Where weights that are not on this machine come from, in the order in which they are asked. */
export function localSources(env: Environment): WeightsSource[] {
  return [hubSource(hubOptions(env))];
}

/** sentence-transformers models on ONNX Runtime, in this process. */
export const local: Provider<LocalOptions> = {
  name: 'local',
  onThisMachine: true,
  defaults: { maxBatchSize: 32, maxInputTokens: 512, costPer1kTokens: 0 },
  options: {
    dtype: z.enum(knownDtypes).optional(),
    pooling: z.enum(['mean', 'cls']).optional(),
    device: z.enum(devices).optional(),
  },
  aliases: (name) => {
    if (name.includes('/')) return [];
    return [`sentence-transformers/${name}`, ...(name.includes('e5-') ? [`intfloat/${name}`] : [])];
  },
  open: (spec, context) => new LocalModel(spec, context, localSources(context.env)),
};
