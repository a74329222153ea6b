// The servers that other people's clients are tried against: children of the built command, a provider that counts,
// and a door by which the suites, in whatever language, learn the true vectors and what the provider was asked for.
// `tsx test/clients/stand.ts` prints where everything is, and stops once its input ends.
import { mkdtemp } from 'node:fs/promises';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { createEmbedder, EmbedQLError, local } from '../../src/index.ts';
import { attachBatches } from '../support/batch-server.ts';
import { serveEmbedQL } from '../support/processes.ts';
import {
  type ProviderServer,
  sendFailure,
  sendJson,
  startProvider,
  vectorOf,
} from '../support/provider-server.ts';

/** Where everything is; each is a URL without a path. */
export interface Stand {
  /** OpenAI's models and the local ones, for everybody. */
  open: string;
  /** The same for the key `right`, and for `poor`, who may spend nearly nothing. */
  guarded: string;
  /** The provider refuses each text with `slow down` in it the first time, and is not asked again by the server. */
  strained: string;
  /** A server without a provider's key: only the local models answer. */
  keyless: string;
  /** `POST /truth {model, texts}` gives vectors; `GET /calls?text=` the provider's calls that have it in a text. */
  control: string;
}

/** A text with this in it makes the provider refuse the whole call. */
export const poison = '☠';
const slowDown = 'slow down';

const dimensions: Record<string, number> = { 'text-embedding-3-large': 3_072 };

/** Starts all of it, on free ports. */
export async function startStand(): Promise<{ stand: Stand; stop(): Promise<void> }> {
  const [provider, busyProvider] = await Promise.all([startProvider(), startProvider()]);
  busyProvider.misbehave = refuseOnce();
  attachBatches(provider);
  const folder = await mkdtemp(path.join(tmpdir(), 'embedql-stand-'));
  const servers = await Promise.all([
    serveEmbedQL({ ...provider.env, EMBEDQL_CACHE_DIR: folder }),
    serveEmbedQL({
      ...provider.env,
      EMBEDQL_API_KEYS: 'web:right,small:poor',
      EMBEDQL_KEY_LIMITS: 'web:100000/min,small:0.00000001usd/day',
    }),
    serveEmbedQL({ ...busyProvider.env, EMBEDQL_PROVIDER_RETRIES: '0' }),
    serveEmbedQL(),
  ]);
  const [open, guarded, strained, keyless] = servers;
  const control = await startControl([provider, busyProvider]);
  return {
    stand: {
      open: open!.url,
      guarded: guarded!.url,
      strained: strained!.url,
      keyless: keyless!.url,
      control: control.url,
    },
    async stop() {
      for (const { process: child } of servers) child.kill('SIGTERM');
      await Promise.all(servers.map(({ finished }) => finished));
      await Promise.all([provider.close(), busyProvider.close(), control.close()]);
    },
  };
}

function refuseOnce(): NonNullable<ProviderServer['misbehave']> {
  const refused = new Set<string>();
  return ({ input }, response) => {
    const fresh = input.filter((text) => text.includes(slowDown) && !refused.has(text));
    for (const text of fresh) refused.add(text);
    if (fresh.length === 0) return false;
    sendFailure(response, 429, { code: 'rate_limit_exceeded', headers: { 'retry-after-ms': '300' } });
    return true;
  };
}

async function startControl(providers: readonly ProviderServer[]) {
  const embedder = await createEmbedder({ models: [local('all-MiniLM-L6-v2')] });

  async function truth({ model, texts }: { model: string; texts: string[] }): Promise<number[][]> {
    if (model !== 'all-MiniLM-L6-v2')
      return texts.map((text) => Array.from(vectorOf(text, dimensions[model] ?? 1_536)));
    const { results } = await embedder.embedMany(texts);
    return results.map((result) => {
      if (result instanceof EmbedQLError) throw result;
      return Array.from(result.vector);
    });
  }

  async function answer(request: IncomingMessage): Promise<unknown> {
    const url = new URL(request.url ?? '/', 'http://control');
    if (url.pathname === '/truth') return truth(JSON.parse(await bodyOf(request)));
    const text = url.searchParams.get('text') ?? '';
    return providers
      .flatMap(({ calls }) => calls)
      .filter(({ input }) => input.some((one) => one.includes(text)))
      .map(({ model, input }) => ({ model, input }));
  }

  const server = createServer((request, response) => {
    answer(request).then(
      (body) => sendJson(response, 200, body),
      (error: unknown) => sendJson(response, 500, { message: String(error) }),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      server.close();
      server.closeAllConnections();
      await embedder.close();
    },
  };
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const { stand, stop } = await startStand();
  process.stdout.write(`${JSON.stringify(stand)}\n`);
  // The suite holds our input open; when it ends, however it ends, so do we.
  process.stdin.resume();
  await new Promise((resolve) => process.stdin.once('end', resolve));
  await stop();
}
