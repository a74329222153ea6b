import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { createApp } from './app.ts';
import { ConfigError, openDoors, readConfig } from './config/config.ts';
import { type Environment, type Logger, type Progress, silentProgress, toLog } from './core/surroundings.ts';
import { readBasePath } from './http/place.ts';
import type { Provider } from './providers/provider.ts';
import { createLog } from './telemetry/pino.ts';

export type { Environment, Logger, LogLine, Progress, ProgressTask } from './core/surroundings.ts';
export { ConfigError };

/** What a server is made from. */
export interface ServerOptions {
  /**
   * The settings, under the names of the environment variables (`docs/operations`). A `.env` file is not read.
   * @default process.env
   */
  env?: Environment;
  /**
   * A path that stands in front of all others, such as `/ai`: `/ai/graphql`, `/ai/v1/embeddings`, `/ai/` for the
   * dashboard. Inside `app.use('/ai', server.handler)` of Express it is not needed for the handler, and does no harm;
   * `upgrade` needs it there.
   * @default ''
   */
  basePath?: string;
  /** Who computes vectors. @default OpenAI and its like, and local models */
  providers?: readonly Provider[];
  /** Where the server tells what it does: pino's logger, `console`, … @default JSON lines on stdout, from `LOG_LEVEL` up */
  log?: Logger;
  /** Where it shows how far the download of a local model is. @default nowhere */
  progress?: Progress;
}

/** A server that listens by itself, or answers what another server hands to it. */
export interface EmbedQLServer {
  /**
   * Answers one request. A request listener for `node:http`; in Express and connect a middleware, which hands paths that
   * are not EmbedQL's on to `next`. A body that a parser has read already is taken from `request.body`.
   */
  readonly handler: (
    request: IncomingMessage,
    response: ServerResponse,
    next?: (error?: unknown) => void,
  ) => void;
  /**
   * For the `upgrade` event of `node:http`: takes WebSockets on `/graphql` (`graphql-transport-ws`, with the key in
   * `connectionParams.authorization`). `listen` does so by itself.
   * @returns whether the path was EmbedQL's; if not, nothing has been touched, and the socket is still the caller's
   */
  readonly upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => boolean;
  /** Where it listens, such as `http://127.0.0.1:4000`; undefined where it does not listen by itself. */
  readonly address: string | undefined;
  /**
   * Gets the default model and Redis ready ahead of the first request, as far as they can be; never rejects. `listen` does
   * it, too.
   */
  ready(): Promise<void>;
  /**
   * Listens. @param at where; what is left out is `HOST` and `PORT`; port 0 picks a free one.
   * @returns the address. @throws {ConfigError} where the address cannot be had
   */
  listen(at?: { port?: number | undefined; host?: string | undefined }): Promise<string>;
  /**
   * Stops accepting, finishes what is in flight (for at most `EMBEDQL_DRAIN_MS`), and lets go of models and connections.
   * A mounted handler answers 503 from then on.
   */
  close(): Promise<void>;
}

/**
 * Makes a server: what `npx embedql` runs, inside a process of your own. It installs no signal handlers, reads no files
 * but those that its settings name, and shares nothing with other servers in the process.
 *
 * A mounted handler is reached by whoever reaches the server around it: set `EMBEDQL_API_KEYS`, or put your own guard
 * in front.
 *
 * @throws {ConfigError} when a setting cannot be used; the message is one line that names it and shows a good one
 *
 * @example On its own
 * ```ts
 * import { createServer } from 'embedql/server';
 *
 * const server = await createServer({ env: { OPENAI_API_KEY: process.env.OPENAI_API_KEY } });
 * console.log(await server.listen({ port: 4000 }));
 * process.once('SIGTERM', () => server.close());
 * ```
 *
 * @example In Express, below `/ai`
 * ```ts
 * const app = express();
 * app.use('/ai', server.handler);
 * ```
 *
 * @example In Fastify, in a part of its own without parsers: this server reads its bodies by itself
 * ```ts
 * const server = await createServer({ env: process.env, basePath: '/ai' });
 * await fastify.register(async (part) => {
 *   part.removeAllContentTypeParsers();
 *   part.addContentTypeParser('*', (request, payload, done) => done(null));
 *   part.all('/ai/*', (request, reply) => {
 *     reply.hijack();
 *     server.handler(request.raw, reply.raw);
 *   });
 * });
 * ```
 */
export async function createServer(options: ServerOptions = {}): Promise<EmbedQLServer> {
  const { env = process.env, progress = silentProgress, providers } = options;
  const basePath = readBasePath(options.basePath);
  const config = readConfig(env);
  const log = options.log ? toLog(options.log) : createLog(config.logLevel);
  for (const warning of config.warnings) log.warn(warning);
  const app = await createApp({
    config,
    env,
    log,
    progress,
    basePath,
    ...(providers ? { providers } : {}),
  });
  return {
    handler: app.listener,
    upgrade: app.upgrade,
    get address() {
      return app.address;
    },
    ready: () => app.prepare(),
    async listen({ host = config.host, port = config.port } = {}) {
      if (host !== config.host) for (const warning of openDoors({ ...config, host })) log.warn(warning);
      return app.listen({ host, port });
    },
    close: () => app.close(),
  };
}
