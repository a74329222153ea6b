import { type App, type AppOptions, createApp } from '../../src/app.ts';
import { readConfig } from '../../src/config/config.ts';
import { type Environment, type Log, silentProgress } from '../../src/core/surroundings.ts';
import type { Provider } from '../../src/providers/provider.ts';
import { createLog } from '../../src/telemetry/pino.ts';

export interface GraphQLAnswer {
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  data?: any;
  errors?: Array<{ message: string; path?: Array<string | number>; extensions: Record<string, unknown> }>;
}

export interface TestServer {
  url: string;
  app: App;
  post(body: unknown, init?: RequestInit): Promise<Response>;
  graphql(query: string, variables?: Record<string, unknown>, init?: RequestInit): Promise<GraphQLAnswer>;
  stop(): Promise<void>;
}

/** A whole server in this process, on a free port. Settings are environment variables, as for a user. */
export async function startEmbedQL(
  env: Environment = {},
  providers?: readonly Provider[],
  log?: Log,
  more: Partial<AppOptions> = {},
): Promise<TestServer> {
  const settings: Environment = {
    LOG_LEVEL: 'silent',
    PORT: '0',
    EMBEDQL_MODELS_DIR: process.env['EMBEDQL_MODELS_DIR'],
    ...env,
  };
  const config = readConfig(settings);
  const app = await createApp({
    config,
    env: settings,
    log: log ?? createLog(config.logLevel, false),
    progress: silentProgress,
    ...(providers ? { providers } : {}),
    ...more,
  });
  const url = await app.listen();
  const post = (body: unknown, init: RequestInit = {}) =>
    fetch(`${url}/graphql`, {
      method: 'POST',
      body: typeof body === 'string' ? body : JSON.stringify(body),
      ...init,
      headers: { 'content-type': 'application/json', ...(init.headers as Record<string, string>) },
    });
  return {
    url,
    app,
    post,
    graphql: async (query, variables, init) =>
      (await post({ query, variables }, init)).json() as Promise<GraphQLAnswer>,
    stop: () => app.close(),
  };
}
