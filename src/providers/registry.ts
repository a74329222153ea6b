import { azure } from './ai-sdk/vendors/azure.ts';
import { bedrock } from './ai-sdk/vendors/bedrock.ts';
import { cohere } from './ai-sdk/vendors/cohere.ts';
import { google } from './ai-sdk/vendors/google.ts';
import { mistral } from './ai-sdk/vendors/mistral.ts';
import { voyage } from './ai-sdk/vendors/voyage.ts';
import { local } from './local/index.ts';
import { openai } from './openai/index.ts';
import type { Provider } from './provider.ts';

/** The providers that are built in; `EMBEDQL_PROVIDERS` brings more. */
export const providers: readonly Provider[] = [
  ...[openai, local],
  ...[cohere, voyage, google, mistral, bedrock, azure],
];
