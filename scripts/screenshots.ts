import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { chromiumPath, launchBrowser } from '../test/support/browser.ts';
import { serveEmbedQL } from '../test/support/processes.ts';
import { sendFailure, startProvider } from '../test/support/provider-server.ts';
import { freePort } from '../test/support/redis-server.ts';

// Pictures of every page: light, dark and on a phone; empty, under load, with an error and without a key. `npm run
// screenshots` writes them into screenshots/, which git ignores: to be looked at after a change of a page.

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = path.join(root, 'screenshots');
const looks = [
  { look: 'light', width: 1_280, colorScheme: 'light' },
  { look: 'dark', width: 1_280, colorScheme: 'dark' },
  { look: 'phone', width: 390, colorScheme: 'light' },
] as const;

if (chromiumPath === undefined) process.exit(1);
await rm(folder, { recursive: true, force: true });
await mkdir(folder, { recursive: true });
const browser = await launchBrowser();
const servers: Array<{ stop(): Promise<unknown> }> = [];

try {
  await dashboards(browser);
  await graphiql(browser);
  await site(browser);
} finally {
  await browser.close();
  for (const server of servers) await server.stop();
}
process.stdout.write(`${folder}\n`);
process.exit(0);

async function serve(env: Record<string, string> = {}): Promise<string> {
  const server = await serveEmbedQL(env);
  servers.push({
    stop() {
      server.process.kill('SIGTERM');
      return server.finished;
    },
  });
  return server.url;
}

/** Takes a page in every look. @param prepare brings it into the state that is to be seen */
async function shoot(
  browser: Browser,
  name: string,
  url: string,
  prepare: (page: Page) => Promise<unknown>,
): Promise<void> {
  for (const { look, width, colorScheme } of looks) {
    const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme });
    await page.goto(url);
    await prepare(page);
    await page.screenshot({ path: path.join(folder, `${name}-${look}.png`), fullPage: true });
    await page.close();
  }
}

async function dashboards(browser: Browser): Promise<void> {
  const isShown = (status: string) => async (page: Page) => {
    await page.getByText(status, { exact: true }).waitFor();
    await page.locator('main:not(.waiting)').waitFor();
    await page.waitForTimeout(1_500);
  };
  await shoot(browser, 'dashboard-empty', await serve(), isShown('OK'));
  await shoot(browser, 'dashboard-key', await serve({ EMBEDQL_API_KEYS: 'web:secret' }), (page) =>
    page.getByRole('heading', { name: 'This server requires an API key' }).waitFor(),
  );

  const provider = await startProvider({ delayMs: 15 });
  const cacheDir = await mkdtemp(path.join(tmpdir(), 'embedql-screenshots-'));
  const loaded = await serve({ ...provider.env, EMBEDQL_CACHE_DIR: cacheDir });
  const stopLoad = load(loaded);
  await new Promise((resolve) => setTimeout(resolve, 5_000));
  await shoot(browser, 'dashboard-load', loaded, async (page) => {
    await isShown('OK')(page);
    await page.getByLabel('Model', { exact: true }).selectOption('all-MiniLM-L6-v2');
    await page.getByRole('button', { name: 'Embed them' }).click();
    await page.locator('#try-result').waitFor();
    await page.waitForTimeout(2_500);
  });
  await forTheDocs(browser, loaded);
  await stopLoad();
  await rm(cacheDir, { recursive: true, force: true });

  const failing = await startProvider();
  failing.misbehave = (_call, response) => {
    sendFailure(response, 500, { code: 'server_error' });
    return true;
  };
  const broken = await serve({
    ...failing.env,
    EMBEDQL_PROVIDER_RETRIES: '0',
    REDIS_URL: `redis://127.0.0.1:${await freePort()}`,
  });
  for (let i = 0; i < 10; i++)
    await post(broken, 'mutation { a: embed(text: "a") { cost } b: embed(text: "") { cost } }');
  await shoot(browser, 'dashboard-error', broken, async (page) => {
    await isShown('degraded')(page);
    await page.waitForTimeout(2_500);
  });
  await provider.close();
  await failing.close();
}

/** The picture of docs/operations/monitoring.md, where it was asked for: `npm run screenshots -- --docs`. */
async function forTheDocs(browser: Browser, url: string): Promise<void> {
  if (!process.argv.includes('--docs')) return;
  // Minutes are what its charts are made of.
  await new Promise((resolve) => setTimeout(resolve, 240_000));
  const page = await browser.newPage({ viewport: { width: 1_200, height: 1_130 }, colorScheme: 'light' });
  await page.goto(url);
  await page.locator('main:not(.waiting)').waitFor();
  await page.waitForTimeout(2_500);
  await page.screenshot({ path: path.join(root, 'docs/images/dashboard.png') });
  await page.close();
}

/** Asks for texts, some again and some wrong, until it is told to stop. */
function load(url: string): () => Promise<void> {
  let isRunning = true;
  const words = Array.from({ length: 60 }, (_, i) => `document ${i} of a corpus with some words in it`);
  const run = async () => {
    await post(url, 'mutation ($texts: [String!]!) { createEmbeddingJob(input: { texts: $texts }) { id } }', {
      texts: words,
    });
    for (let i = 0; isRunning; i++) {
      const old = Array.from({ length: 8 }, (_, n) => words[(i * 7 + n * 3) % 60]);
      const fresh = Array.from({ length: 6 }, (_, n) => `sentence ${n} of the new page ${i}`);
      const texts = [...old, ...fresh, ...(i % 90 === 0 ? [''] : [])];
      const model =
        i % 3 === 0 ? 'all-MiniLM-L6-v2' : i % 3 === 1 ? 'text-embedding-3-large' : 'text-embedding-3-small';
      const query =
        'mutation ($texts: [String!]!, $model: String) { embedBatch(texts: $texts, model: $model) { cachedCount } }';
      await post(url, query, { texts, model }, ['search', 'import', 'chat'][i % 3]!);
      await new Promise((resolve) => setTimeout(resolve, 60 + 50 * Math.sin(Date.now() / 30_000)));
      if (i % 40 === 0) await post(url, 'mutation { embed(text: "x", model: "no-such-model") { cost } }');
    }
  };
  // A server that has gone ends the load; whoever stopped it knows why.
  const running = Promise.allSettled([run(), run(), run()]);
  return async () => {
    isRunning = false;
    await running;
  };
}

async function post(url: string, query: string, variables = {}, tag = ''): Promise<void> {
  const headers = { 'content-type': 'application/json', ...(tag === '' ? {} : { 'x-embedql-tag': tag }) };
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ query, variables }),
  });
  await response.text();
}

async function graphiql(browser: Browser): Promise<void> {
  await shoot(browser, 'graphiql', `${await serve()}/graphql`, async (page) => {
    await page.locator('.graphiql-editor .view-lines').first().getByText('OneText').first().waitFor();
    await page.getByRole('button', { name: /^Execute query/ }).click();
    await page.waitForTimeout(2_500);
  });
}

/** Pages of the site, where `npm run docs` has made it. */
async function site(browser: Browser): Promise<void> {
  const pages = path.join(root, 'site/dist');
  const read = (name: string) => readFile(path.join(pages, name));
  if (!(await read('index.html').catch(() => undefined))) {
    process.stderr.write('SKIPPED: the site is not there; npm run docs makes it\n');
    return;
  }
  const types: Record<string, string> = {
    '.html': 'text/html',
    '.js': 'text/javascript',
    '.css': 'text/css',
    '.svg': 'image/svg+xml',
  };
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://site');
    const name = pathname === '/' ? 'index.html' : pathname;
    const found = path.extname(name) === '' ? `${name}.html` : name;
    const content = await read(found).catch(() => undefined);
    response.writeHead(content ? 200 : 404, {
      'content-type': types[path.extname(found)] ?? 'application/octet-stream',
    });
    response.end(content);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  for (const page of [
    '',
    'getting-started',
    'concepts/once',
    'comparison',
    'troubleshooting',
    'operations/settings',
  ])
    await shoot(browser, `site-${page.replace('/', '-') || 'home'}`, `${url}/${page}`, (shown) =>
      shown.locator('h1').waitFor(),
    );
  server.close();
  server.closeAllConnections();
}
