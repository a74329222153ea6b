import type { Provider } from '../provider.ts';
import { OpenAIModel } from './openai-model.ts';

/** OpenAI and every server that speaks like it. */
export const openai: Provider = {
  name: 'openai',
  open: (spec, context) => new OpenAIModel(spec, context),
};
