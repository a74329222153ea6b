import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { GraphiQLOptions } from 'graphql-yoga';
import type { Handler } from '../../http/route.ts';
import { exampleOperations } from './example-operations.ts';

const graphiqlOptions: GraphiQLOptions = {
  title: 'EmbedQL',
  defaultTabs: exampleOperations,
  defaultQuery: exampleOperations[0]!.query,
  defaultEditorToolsVisibility: true,
};

const folder = new URL('../../../assets/graphiql/', import.meta.url);

/**
 * GraphiQL from the package, so that it works without the internet: one page with everything in it, made once. Only the
 * scripts that are in it may run, and it may talk only to this server.
 */
export function createGraphiQLPage(): Handler {
  let page: Promise<Page> | undefined;
  return async (_request, response) => {
    page ??= renderPage();
    const { html, headers } = await page;
    response.writeHead(200, headers).end(html);
  };
}

interface Page {
  html: Buffer;
  headers: Record<string, string | number>;
}

async function renderPage(): Promise<Page> {
  const { renderGraphiQL } = await import('@graphql-yoga/render-graphiql');
  const [style, script] = await Promise.all(
    ['page.css', 'page.js'].map((file) => readFile(new URL(file, folder), 'utf8')),
  );
  // A function, so that no `$&` of the script is read as a part of the page.
  const text = String(renderGraphiQL(graphiqlOptions)).replace(
    '<head>',
    (head) => `${head}<style>${style}</style><script>${script}</script>`,
  );
  const scripts = scriptsOf(text).map(
    (script) => `'sha256-${createHash('sha256').update(script).digest('base64')}'`,
  );
  const html = Buffer.from(text);
  return {
    html,
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'content-length': html.length,
      'cache-control': 'no-cache',
      // The editor writes its styles into the page, and runs its workers from blobs.
      'content-security-policy':
        `default-src 'none'; script-src ${scripts.join(' ')}; style-src 'unsafe-inline'; img-src data:; ` +
        "font-src data:; worker-src blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    },
  };
}

/** What stands between the tags of each script. Scripts speak of such tags themselves: what is inside of one is passed over. */
function scriptsOf(html: string): string[] {
  const scripts: string[] = [];
  for (let tag = html.indexOf('<script'); tag >= 0; ) {
    const start = html.indexOf('>', tag) + 1;
    const end = html.indexOf('</script>', start);
    scripts.push(html.slice(start, end));
    tag = html.indexOf('<script', end);
  }
  return scripts;
}
