import { local } from './local/index.ts';
import { openai } from './openai/index.ts';
import type { Provider } from './provider.ts';

/** The providers that are built in; `EMBEDQL_PROVIDERS` brings more. */
export const providers: readonly Provider[] = [openai, local];
