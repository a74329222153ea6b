import { local } from './local/index.ts';
import { openai } from './openai/index.ts';
import type { Provider } from './provider.ts';

/** Every provider that a model can name. */
export const providers: readonly Provider[] = [openai, local];
