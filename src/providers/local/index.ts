import type { Environment } from '../../core/surroundings.ts';
import type { Provider } from '../provider.ts';
import { LocalModel } from './local-model.ts';
import { hubOptions, hubSource } from './weights/hub.ts';
import { npmSource } from './weights/npm.ts';
import type { WeightsSource } from './weights/source.ts';

/** Where weights that are not on this machine come from, in the order in which they are asked. */
export function localSources(env: Environment): WeightsSource[] {
  return [hubSource(hubOptions(env)), npmSource()];
}

/** sentence-transformers models on ONNX Runtime, in this process. */
export const local: Provider = {
  name: 'local',
  open: (spec, context) => new LocalModel(spec, context, localSources(context.env)),
};
